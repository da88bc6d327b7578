package text

fun String.shout(): String = uppercase()

fun Int.shout(): String = "$this!"
