from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shop.items import Item


def total(items: "list[Item]") -> int:
    return sum(item.price for item in items)
