module shop

require (
	example.com/till v1.3.0
	example.com/bell v0.4.0
)
