def load(path):
    return parse(path)


def labels(path):
    catalogue = load(path)
    for shelf in catalogue:
        yield shelf.label.upper()


def close(path):
    forget(path)
