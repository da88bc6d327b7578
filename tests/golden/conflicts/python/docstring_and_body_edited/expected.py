def area(a, b):
    """The area of a field, in square metres."""
    size = abs(a * b)
    return size
