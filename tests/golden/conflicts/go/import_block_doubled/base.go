package shop

func F() {}
