RSpec.describe Basket do
  it "is empty at first" do
    expect(basket.count).to eq(0)
  end

  it "counts what was bought" do
    basket << apple
    expect(basket.count).to eq(1)
  end

  context "with a voucher" do
    it "costs less" do
      expect(basket.total(voucher)).to be < 10
    end
  end
end
