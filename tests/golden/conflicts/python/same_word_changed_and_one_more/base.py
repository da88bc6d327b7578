def bill(cart, rate, note):
    total = add(cart, rate, note)
    return total
