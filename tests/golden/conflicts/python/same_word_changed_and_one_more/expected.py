def bill(cart, rate, note):
    total = add_up(cart, rate, note, round=True)
    return total
