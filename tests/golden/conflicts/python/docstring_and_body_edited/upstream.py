def area(a, b):
    """The area of a field, in square metres."""
    size = a * b
    return size
