package text

fun String.shout(): String = uppercase()
