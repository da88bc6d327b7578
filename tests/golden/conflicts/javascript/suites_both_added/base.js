describe('cart', () => {
  it('is empty', () => {
    expect(cart.size).toBe(0);
  });
});
