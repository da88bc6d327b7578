type Name = str
type Price = float
