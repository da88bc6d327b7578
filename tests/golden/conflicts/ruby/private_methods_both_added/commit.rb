class Door
  def open
    turn(90)
  end

  private

  def turn(degrees)
    @hinge.turn(degrees)
  end

  def creak(volume = :low)
    speaker.play('creak', volume)
  end
end
