class Shelf {
    int books() {
        return count("a",
                left,
                right);
    }
}
