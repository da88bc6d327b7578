describe('cart', () => {
  setup();
});
