def price(net, rate):
    return round(net * (1 + tax(rate)), 2) + shipping(net, country="de", express=False)
