class Clock
  class << self
    def now
      Time.now
    end

    def zone
      ENV.fetch('TZ', 'UTC')
    end
  end
end
