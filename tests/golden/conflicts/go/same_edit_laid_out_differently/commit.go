package shelf

func size() int {
	return sum(left,
		right)
}
