package set

func (s *Set[T]) Len() int {
	return len(s.items)
}

func (s *Set[T]) Clear() {
	s.items = nil
}

func Map[T, U any](s *Set[T], each func(T) U) []U {
	return collect(s.items, each)
}
