class Meter {
    companion object {
        fun open(): Meter = Meter()
    }
}
