package shop

type Cart struct {
	ID string
}
