trait Log:
  def write(text: String): Unit

  def close(): Unit = ()

  def write(number: Int): Unit = write(number.toString)
