object Pool {
  val size = 4
  val half = size / 2
}
