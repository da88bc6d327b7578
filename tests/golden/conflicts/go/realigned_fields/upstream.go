package store

type Row struct {
	ID        int
	Name      string
	CreatedAt string
}
