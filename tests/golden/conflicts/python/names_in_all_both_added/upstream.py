__all__ = [
    'Basket',
    'Label',
    'Shelf',
]
