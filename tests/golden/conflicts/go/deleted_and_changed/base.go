package store

func keep() {}

func gone() int {
	return 1
}
