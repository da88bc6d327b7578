type Name = str
type Price = int
