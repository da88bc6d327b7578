package store

type Store interface {
	Get(key string) ([]byte, error)
	Watch(ctx context.Context, each func(string))
}
