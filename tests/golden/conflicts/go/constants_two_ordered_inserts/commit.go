package store

const (
	Red = iota
	Yellow
	Blue
)
