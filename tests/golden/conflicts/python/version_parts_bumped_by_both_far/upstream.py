VERSION = (2, 4, 0, 'alpha', 2)
