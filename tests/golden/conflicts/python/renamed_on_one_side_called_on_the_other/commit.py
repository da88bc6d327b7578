def total(rows):
    return sum(rows)


def report(rows):
    print(total(rows))


def mean(rows):
    return total(rows) / len(rows)
