second()
