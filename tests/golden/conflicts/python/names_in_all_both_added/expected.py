__all__ = [
    'Basket',
    'Label',
    'Price',
    'Shelf',
]
