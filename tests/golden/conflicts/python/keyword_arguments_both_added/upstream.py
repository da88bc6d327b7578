shop = Shop(
    name='corner',
    open_at=8,
)
