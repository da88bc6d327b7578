package store

import (
	"context"
	"errors"
	"fmt"
)

func Open() {}
