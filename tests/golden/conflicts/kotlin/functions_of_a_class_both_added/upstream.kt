package shop

import java.time.Instant
import shop.prices.Price

class Basket {
    private val items = mutableListOf<Item>()

    fun count(): Int = items.size

    /** Puts everything back. */
    fun clear() {
        items.clear()
    }
}
