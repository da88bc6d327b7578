package store

func Open() error {
	return nil
}

// Close is upstream's.
func Close() error {
	return nil
}

// Flush is the commit's.
func (s *Store) Flush() error {
	return s.sync()
}
