package shop

func F() error {
	return reopen("cart", 1, nil, true)
}
