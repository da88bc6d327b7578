package store

func Open() error {
	return nil
}
