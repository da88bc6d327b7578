class Meter {
    companion object {
        fun open(): Meter = Meter()

        operator fun invoke(port: Port): Meter {
            return port.meters.first()
        }
    }
}
