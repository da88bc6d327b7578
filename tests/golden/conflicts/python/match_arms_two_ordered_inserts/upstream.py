def area(shape):
    match shape:
        case Square(side):
            return side**2
        case Circle(radius):
            return 3.14 * radius**2
