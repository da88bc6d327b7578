describe('cart', () => {
  setup();

  it('counts', () => {
    one();
  });
});
