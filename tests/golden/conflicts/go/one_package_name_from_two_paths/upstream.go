package shop

import (
	"fmt"
	"old.example/codec"
)

var _ = fmt.Sprint
