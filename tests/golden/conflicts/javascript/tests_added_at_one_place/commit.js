describe('basket', () => {
  it('adds', () => {
    add();
  });

  it('counts', () => {
    count();
  });
});
