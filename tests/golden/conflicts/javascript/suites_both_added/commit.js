describe('cart', () => {
  it('is empty', () => {
    expect(cart.size).toBe(0);
  });
});

describe('shelf', () => {
  it('holds', () => {
    shelf.put(9);
  });
});
