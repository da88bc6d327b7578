# frozen_string_literal: true

require "json"
require "set"

module Shop
  class Basket
    def count
      @items.size
    end

    # Puts everything back.
    def clear
      @items.clear
    end
  end
end
