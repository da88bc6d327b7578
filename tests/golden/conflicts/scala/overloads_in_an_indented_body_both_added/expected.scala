trait Log:
  def write(text: String): Unit

  def close(): Unit = ()

  def write(number: Int): Unit = write(number.toString)

  def write(error: Throwable, loudly: Boolean): Unit =
    if loudly then bell()
    write(error.getMessage)
