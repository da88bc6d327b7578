package shelf

func size() int {
	return 1
}
