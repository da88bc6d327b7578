class Pool {
  size = 4;
  static names = [];
}
