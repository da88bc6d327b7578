package shop

import (
	"fmt"
	store "shop/internal/store"
	till "shop/internal/till"
)

var _ = fmt.Sprint
