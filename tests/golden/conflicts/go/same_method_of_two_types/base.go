package store

type A struct{}
type B struct{}
