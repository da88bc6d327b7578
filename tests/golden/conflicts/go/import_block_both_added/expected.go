package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

func Open() {}
