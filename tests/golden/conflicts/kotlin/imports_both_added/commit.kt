package shop

import java.time.Instant
import shop.prices.Price
import shop.till.Receipt as Paper

class Basket {
    private val items = mutableListOf<Item>()

    fun count(): Int = items.size
}
