package shop

type (
	ID string
	Shelf struct{}
)
