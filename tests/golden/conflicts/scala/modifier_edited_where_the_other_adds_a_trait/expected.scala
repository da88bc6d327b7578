package shop

sealed trait Paid

case class Receipt(total: Long)
