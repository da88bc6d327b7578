class Shelf {
    int books() {
        return 1;
    }
}
