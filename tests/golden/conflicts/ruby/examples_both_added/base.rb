RSpec.describe Basket do
  it "is empty at first" do
    expect(basket.count).to eq(0)
  end
end
