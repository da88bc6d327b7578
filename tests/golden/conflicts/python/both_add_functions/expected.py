def first():
    return 1


def from_upstream():
    return 2


def from_commit():
    return 3
