def first():
    return 1


register(first)
