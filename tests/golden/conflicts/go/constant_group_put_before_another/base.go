package level

const (
	Low = iota
	High
)
