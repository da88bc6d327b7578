package shop

class Receipt(total: Long)
