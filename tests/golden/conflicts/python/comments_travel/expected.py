def first():
    return 1


# Upstream's reason.
def second():
    return 2


# The commit's reason.
@cached
def third():
    return 3
