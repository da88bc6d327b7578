package store

import (
	"errors"
	"fmt"
)

func Open() { fmt.Println() }
