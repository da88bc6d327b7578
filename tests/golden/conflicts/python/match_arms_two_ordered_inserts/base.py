def area(shape):
    match shape:
        case Square(side):
            return side**2
