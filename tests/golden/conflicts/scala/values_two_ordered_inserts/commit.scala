object Pool {
  val size = 4
  val names = List.fill(size)("")
}
