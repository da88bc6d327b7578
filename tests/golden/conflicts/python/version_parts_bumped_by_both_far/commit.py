VERSION = (1, 4, 0, 'alpha', 3)
