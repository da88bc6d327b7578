package shop

import (
	"fmt"
	store "shop/internal/store"
)

var _ = fmt.Sprint
