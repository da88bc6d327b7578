class Shelf(val books: List[String]) {
  def first: String = books.head

  def count() = books.size
}
