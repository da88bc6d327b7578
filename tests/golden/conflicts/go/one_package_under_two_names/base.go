package shop

import (
	"os"
)

var _ = os.Args
