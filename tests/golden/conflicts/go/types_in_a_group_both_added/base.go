package shop

type (
	ID string
)
