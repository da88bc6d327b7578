package shop

type (
	ID string
	Money int64
	Shelf struct{}
)
