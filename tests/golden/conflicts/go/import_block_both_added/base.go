package store

import (
	"context"
	"fmt"
)

func Open() {}
