def bill(cart, rate, note):
    total = add_up(cart, rate, note)
    return total
