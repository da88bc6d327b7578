trait Log:
  def write(text: String): Unit

  def close(): Unit = ()
