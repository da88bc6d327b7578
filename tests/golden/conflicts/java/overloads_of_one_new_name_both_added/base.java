class Desk {
    int open() {
        return 1;
    }
}
