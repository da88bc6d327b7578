from shop import (
    Bell,
    Shelf,
    Till,
    Vault,
)

print(Bell, Till)
