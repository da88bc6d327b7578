class Meter {
    companion object {
        fun open(): Meter = Meter()

        fun parse(text: String) = Meter().also { it.read(text) }

        operator fun invoke(port: Port): Meter {
            return port.meters.first()
        }
    }
}
