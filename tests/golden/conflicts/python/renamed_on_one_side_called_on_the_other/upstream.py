def amount(rows):
    return sum(rows)


def report(rows):
    print(amount(rows))


def head(rows):
    return rows[0]
