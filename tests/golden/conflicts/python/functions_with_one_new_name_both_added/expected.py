def load(path):
    return parse(path)


def shelves(path):
    catalogue = open(path)
    for shelf in catalogue:
        yield shelf.label


def readers(path):
    catalogue = load(path)
    return [reader.card for reader in catalogue.people]


def close(path):
    forget(path)
