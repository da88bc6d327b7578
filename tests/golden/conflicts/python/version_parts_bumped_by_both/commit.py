VERSION = (1, 4, 1)
