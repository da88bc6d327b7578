type Name = bytes
type Price = float
