package shop

import java.time.Instant
import shop.prices.Price

class Basket(items: List[Item]) {
  def count: Int = items.size

  /** What all of it costs. */
  def total: Price = {
    items.map(_.price).sum
  }

  @deprecated("use items", "2.0")
  def each(visit: Item => Unit): Unit = items.foreach(visit)
}

object Basket {
  def empty: Basket = new Basket(Nil)
}
