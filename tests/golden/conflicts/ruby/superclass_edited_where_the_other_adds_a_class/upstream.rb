module Shop
  class Item < Record
    def price
      100
    end
  end
end
