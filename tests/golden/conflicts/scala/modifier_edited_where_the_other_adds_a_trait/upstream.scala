package shop

case class Receipt(total: Long)
