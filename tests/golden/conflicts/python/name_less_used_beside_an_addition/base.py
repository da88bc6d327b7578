def open(desk):
    return 1
state = ready(1)
