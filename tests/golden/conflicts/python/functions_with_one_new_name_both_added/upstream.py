def load(path):
    return parse(path)


def shelves(path):
    catalogue = open(path)
    for shelf in catalogue:
        yield shelf.label


def close(path):
    forget(path)
