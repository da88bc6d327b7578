def price(net, rate):
    return round(net * (1 + rate), 2) + shipping(net, country="de", express=False)
