package shelf

func size() int {
	n := left()

	return n
}
