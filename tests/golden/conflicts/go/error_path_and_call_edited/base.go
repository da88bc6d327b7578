package shop

func F() error {
	return open("cart", 1, nil, true)
}
