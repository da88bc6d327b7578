package level

const (
	Name = "level"
)

const (
	Low = iota
	High
)
