module shop

require (
	x.org/bell v1.0.0
	x.org/shelf v1.0.0
)
