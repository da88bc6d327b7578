class Shelf {
  int books() {
    open(door);
    return count(left, right);
  }
}
