def beta():
    return 2


def gamma():
    return 3


def alpha():
    return 1
