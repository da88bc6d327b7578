class Lock
  def shut
    @bolt = true
  end

  private

  def rust
    @bolt = nil
  end
end
