package shop

import (
	"fmt"
)

func F() { fmt.Println() }
