package level

const (
	None = iota
	Low
	High
)
