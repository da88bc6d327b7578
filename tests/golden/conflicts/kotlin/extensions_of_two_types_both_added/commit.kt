package text

fun String.shout(): String = uppercase()

fun List<String>.shout(): List<String> =
    map { it.shout() }
