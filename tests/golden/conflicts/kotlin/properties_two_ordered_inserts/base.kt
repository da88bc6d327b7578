object Settings {
    val port = 80
}
