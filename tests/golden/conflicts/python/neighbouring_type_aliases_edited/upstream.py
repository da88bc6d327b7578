type Name = bytes
type Price = int
