describe('basket', () => {
  it('adds', () => {
    add();
  });

  it('clears', () => {
    clear();
  });

  it('counts', () => {
    count();
  });
});
