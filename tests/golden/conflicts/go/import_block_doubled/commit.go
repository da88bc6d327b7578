package shop

import (
	"os"
)

func F() { os.Exit(1) }
