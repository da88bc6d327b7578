class Pool {
  size = 4;
  half = this.size / 2;
}
