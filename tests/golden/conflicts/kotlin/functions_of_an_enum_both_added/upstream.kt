enum class Size(val factor: Int) {
    SMALL(1),
    LARGE(3);

    fun times(n: Int) = n * factor

    fun label() = name.lowercase()
}
