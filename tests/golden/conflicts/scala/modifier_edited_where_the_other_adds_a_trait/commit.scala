package shop

sealed trait Paid

class Receipt(total: Long)
