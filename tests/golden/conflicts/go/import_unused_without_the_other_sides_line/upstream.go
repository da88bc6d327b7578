package shop

import (
	"fmt"
	"time"
)

func F() {
	fmt.Println(time.Now())
}

func G() int {
	return 1
}
