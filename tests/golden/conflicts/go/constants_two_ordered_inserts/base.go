package store

const (
	Red = iota
	Blue
)
