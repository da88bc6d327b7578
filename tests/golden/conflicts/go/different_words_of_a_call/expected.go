package store

func Open(path string) (*Store, error) {
	return newStore(clean(path), withCache(16), withLock(true), withTimeout(60))
}
