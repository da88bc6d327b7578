class Door
  def open
    turn(90)
  end

  private

  def turn(degrees)
    @hinge.turn(degrees)
  end

  def oiled?
    @hinge.oil > 2
  end
end
