package store

type A struct{}
type B struct{}

func (b *B) Close() error { return errClosed }
