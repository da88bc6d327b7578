object Settings {
    val port = 80
    val secure = port == 443
}
