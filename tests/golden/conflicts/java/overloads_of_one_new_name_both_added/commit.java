class Desk {
    int open() {
        return 1;
    }

    int lend(Reader reader) {
        return reader.card;
    }
}
