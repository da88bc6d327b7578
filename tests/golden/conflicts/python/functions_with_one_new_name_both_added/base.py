def load(path):
    return parse(path)


def close(path):
    forget(path)
