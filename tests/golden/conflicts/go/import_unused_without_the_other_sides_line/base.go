package shop

import (
	"fmt"
)

func F() {
	fmt.Println(1)
}

func G() int {
	return 1
}
