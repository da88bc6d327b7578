enum class Size(val factor: Int) {
    SMALL(1),
    MEDIUM(2),
    LARGE(3);

    fun times(n: Int) = n * factor
}
