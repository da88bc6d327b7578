package store

func keep() {}
