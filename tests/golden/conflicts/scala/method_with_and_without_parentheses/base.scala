class Shelf(val books: List[String]) {
  def first: String = books.head
}
