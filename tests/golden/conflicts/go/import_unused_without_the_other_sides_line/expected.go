package shop

import (
	"fmt"
	"os"
	"time"
)

func F() {
	fmt.Println(time.Now())
}

func G() int {
	return os.Getpid()
}
