module shop

require (
	x.org/apron v1.0.0
	x.org/bell v1.2.0
	x.org/shelf v1.0.0
)
