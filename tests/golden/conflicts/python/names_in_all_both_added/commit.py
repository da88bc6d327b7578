__all__ = [
    'Basket',
    'Price',
    'Shelf',
]
