package set

func (s *Set[T]) Len() int {
	return len(s.items)
}
