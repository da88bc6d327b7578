def bill(cart, rate, note):
    total = add_up(cart, rate)
    return total
