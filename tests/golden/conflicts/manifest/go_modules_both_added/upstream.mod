module shop

require (
	x.org/bell v1.1.0
	x.org/cart v1.0.0
	x.org/shelf v1.0.0
)
