def area(a, b):
    """The area."""
    size = a * b
    return size
