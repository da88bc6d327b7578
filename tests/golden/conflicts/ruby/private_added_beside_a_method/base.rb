class Lock
  def shut
    @bolt = true
  end
end
