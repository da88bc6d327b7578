package shop

import (
	"os"
	ring "zoo/bell"
)

var _ = os.Args
