START = 1


def read_settings(path):
    with open(path) as file:
        rows = file.readlines()
    return [row.strip() for row in rows]
