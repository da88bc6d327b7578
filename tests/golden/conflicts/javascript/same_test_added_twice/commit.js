describe('cart', () => {
  setup();

  it('counts', () => {
    two();
  });
});
