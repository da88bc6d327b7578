package shop

import (
	"fmt"
	till "shop/internal/till"
)

var _ = fmt.Sprint
