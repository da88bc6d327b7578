a = 1


def f():
    return a


def g():
    return [a, a]


class H:
    size = a
