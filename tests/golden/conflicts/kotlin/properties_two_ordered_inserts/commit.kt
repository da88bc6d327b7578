object Settings {
    val port = 80
    val address = "localhost:$port"
}
