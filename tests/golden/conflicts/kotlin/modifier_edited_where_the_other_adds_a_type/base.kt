package shop

class Receipt(val total: Long)
