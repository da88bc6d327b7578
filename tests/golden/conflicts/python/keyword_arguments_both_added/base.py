shop = Shop(
    name='corner',
)
