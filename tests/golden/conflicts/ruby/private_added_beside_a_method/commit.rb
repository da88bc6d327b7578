class Lock
  def shut
    @bolt = true
  end

  def shut?
    @bolt
  end
end
