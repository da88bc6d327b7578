package shop

import (
	"os"
	chime "zoo/bell"
)

var _ = os.Args
