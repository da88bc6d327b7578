class Desk {
    int open() {
        return 1;
    }

    int lend(Book book) {
        return book.number;
    }
}
