def total(rows):
    return sum(rows)


def report(rows):
    print(total(rows))
