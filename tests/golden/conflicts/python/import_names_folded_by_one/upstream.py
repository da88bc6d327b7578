from shop import (
    Bell,
    Shelf,
    Till,
)

print(Bell, Till)
