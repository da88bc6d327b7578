package shop

sealed interface Paid

class Receipt(val total: Long)
