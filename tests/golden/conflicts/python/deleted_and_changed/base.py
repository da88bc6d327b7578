def keep():
    return 1


def gone(value):
    return value
