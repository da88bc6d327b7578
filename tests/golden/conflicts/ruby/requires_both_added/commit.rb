# frozen_string_literal: true

require "json"
require "pathname"
require "set"

module Shop
  class Basket
    def count
      @items.size
    end
  end
end
