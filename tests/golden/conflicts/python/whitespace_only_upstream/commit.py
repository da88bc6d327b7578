def total(rows):
    rate = price()
    return rate * len(rows)
