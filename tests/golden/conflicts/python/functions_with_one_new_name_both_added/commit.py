def load(path):
    return parse(path)


def readers(path):
    catalogue = load(path)
    return [reader.card for reader in catalogue.people]


def close(path):
    forget(path)
