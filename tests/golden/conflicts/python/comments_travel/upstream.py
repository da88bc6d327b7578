def first():
    return 1


# Upstream's reason.
def second():
    return 2
