package shop

import java.time.Instant
import shop.prices.Price

class Basket(items: List[Item]) {
  def count: Int = items.size
}

object Basket {
  def empty: Basket = new Basket(Nil)
}
