package shop

data class Receipt(val total: Long)
