object Main extends App {
  start()
  listen(80)
}
