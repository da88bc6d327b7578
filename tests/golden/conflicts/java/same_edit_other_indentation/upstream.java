class Shelf {
    int books() {
        return count(
            left,
            right);
    }
}
