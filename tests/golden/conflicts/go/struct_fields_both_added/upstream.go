package shop

type Cart struct {
	ID string
	Rows []string
}
