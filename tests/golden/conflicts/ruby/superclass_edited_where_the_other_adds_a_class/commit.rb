module Shop
  class Missing < StandardError
  end

  class Item
    def price
      100
    end
  end
end
