class Clock
  class << self
    def now
      Time.now
    end
  end
end
