a = 1


def f():
    return a


class H:
    size = a
