describe('basket', () => {
  it('adds', () => {
    add();
  });
});
