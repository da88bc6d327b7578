def first():
    return 1


def second():
    return 2


def upstream_only():
    return 3


def last():
    return 9
