START = 1


def load_settings(path):
    with open(path) as file:
        rows = file.readlines()
    return [row.strip() for row in rows if row]
