LIMIT = 10


def trim(rows):
    return rows[:LIMIT]
