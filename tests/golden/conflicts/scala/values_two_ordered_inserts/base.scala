object Pool {
  val size = 4
}
