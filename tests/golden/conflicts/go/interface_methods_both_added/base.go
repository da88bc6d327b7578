package store

type Store interface {
	Get(key string) ([]byte, error)
}
