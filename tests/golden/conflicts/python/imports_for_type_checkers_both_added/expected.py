from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shop.items import Item
    from shop.prices import Price
    from shop.till import Till


def total(items: "list[Item]") -> int:
    return sum(item.price for item in items)
