def first():
    return 1


def from_upstream():
    return 2
