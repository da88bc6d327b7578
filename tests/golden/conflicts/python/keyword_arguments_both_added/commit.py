shop = Shop(
    name='corner',
    city='Ulm',
)
