describe('cart', () => {
  it('is empty', () => {
    expect(cart.size).toBe(0);
  });
});

describe('till', function () {
  it('rings', () => {
    expect(till.ring()).toBe(true);
  });
});

describe('shelf', () => {
  it('holds', () => {
    shelf.put(9);
  });
});
