package text

fun String.shout(): String = uppercase()

fun Int.shout(): String = "$this!"

fun List<String>.shout(): List<String> =
    map { it.shout() }
