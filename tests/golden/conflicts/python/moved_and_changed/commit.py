def alpha():
    return "one"


def beta():
    return 2


def gamma():
    return 3
