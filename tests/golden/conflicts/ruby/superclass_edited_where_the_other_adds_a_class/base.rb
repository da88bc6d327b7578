module Shop
  class Item
    def price
      100
    end
  end
end
