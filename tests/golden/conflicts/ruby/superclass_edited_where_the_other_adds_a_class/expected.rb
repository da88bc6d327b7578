module Shop
  class Missing < StandardError
  end

  class Item < Record
    def price
      100
    end
  end
end
