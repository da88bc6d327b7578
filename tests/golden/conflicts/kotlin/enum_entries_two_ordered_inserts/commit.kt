enum class Size(val factor: Int) {
    SMALL(1),
    NARROW(4),
    LARGE(3);

    fun times(n: Int) = n * factor
}
