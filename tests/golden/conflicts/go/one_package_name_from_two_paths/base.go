package shop

import (
	"fmt"
)

var _ = fmt.Sprint
