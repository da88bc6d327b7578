package shop

import (
	"fmt"
	"os"
)

func F() {
	fmt.Println(1)
}

func G() int {
	return os.Getpid()
}
