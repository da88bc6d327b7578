def first():
    return 1


# The commit's reason.
@cached
def third():
    return 3
