__all__ = [
    'Basket',
    'Shelf',
]
