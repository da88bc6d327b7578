package store

import (
	"fmt"
	"os"
)

func Open() { fmt.Println() }
