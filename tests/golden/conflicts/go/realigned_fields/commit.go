package store

type Row struct {
	ID   int
	Name string
	Size int
}
