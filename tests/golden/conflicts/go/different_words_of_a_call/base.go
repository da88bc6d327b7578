package store

func Open(path string) (*Store, error) {
	return newStore(path, withCache(16), withLock(true), withTimeout(30))
}
