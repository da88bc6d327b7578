module shop

require (
	example.com/till v1.4.0
	example.com/bell v0.4.0
)
