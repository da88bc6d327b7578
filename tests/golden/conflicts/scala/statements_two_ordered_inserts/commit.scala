object Main extends App {
  start()
  warmUp()
}
