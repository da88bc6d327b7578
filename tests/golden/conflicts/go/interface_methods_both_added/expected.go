package store

type Store interface {
	Get(key string) ([]byte, error)
	Len() int
	Watch(ctx context.Context, each func(string))
}
