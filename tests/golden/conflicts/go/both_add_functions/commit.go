package store

func Open() error {
	return nil
}

// Flush is the commit's.
func (s *Store) Flush() error {
	return s.sync()
}
