class Clock
  class << self
    def now
      Time.now
    end

    def freeze_at(time, &block)
      travel_to(time, &block)
    end
  end
end
