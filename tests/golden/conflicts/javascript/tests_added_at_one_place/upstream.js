describe('basket', () => {
  it('adds', () => {
    add();
  });

  it('clears', () => {
    clear();
  });
});
