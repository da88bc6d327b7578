package shop

import (
	"fmt"
	"new.example/codec"
)

var _ = fmt.Sprint
