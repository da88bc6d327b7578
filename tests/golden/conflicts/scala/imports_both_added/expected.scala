package shop

import java.time.Instant
import shop.prices.Price
import shop.prices.Rebate
import shop.till._

class Basket(items: List[Item]) {
  def count: Int = items.size
}

object Basket {
  def empty: Basket = new Basket(Nil)
}
