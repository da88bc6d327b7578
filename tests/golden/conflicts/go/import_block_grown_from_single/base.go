package store

import "fmt"

func Open() { fmt.Println() }
