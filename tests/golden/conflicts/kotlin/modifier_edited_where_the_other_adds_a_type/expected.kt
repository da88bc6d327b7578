package shop

sealed interface Paid

data class Receipt(val total: Long)
