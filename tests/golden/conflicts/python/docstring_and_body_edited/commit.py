def area(a, b):
    """The area."""
    size = abs(a * b)
    return size
