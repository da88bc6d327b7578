def open(desk):
    return 1
state = 2
