object Main extends App {
  start()
}
