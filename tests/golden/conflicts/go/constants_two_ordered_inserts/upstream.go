package store

const (
	Red = iota
	Green
	Blue
)
