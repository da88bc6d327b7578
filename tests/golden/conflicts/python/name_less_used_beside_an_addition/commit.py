def open(desk):
    return 1
    ready(desk)
state = ready(1)
