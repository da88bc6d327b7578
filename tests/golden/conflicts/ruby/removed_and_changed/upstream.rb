# frozen_string_literal: true

require "json"
require "set"

module Shop
  class Basket
    def size
      @items.size
    end
  end
end
