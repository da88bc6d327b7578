def first():
    return 1


def second():
    return 2


def commit_only():
    return 4


def last():
    return 9
