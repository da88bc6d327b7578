record Price(long cents) {

    Price {
        check(cents);
    }

    static Price parse(String text) {
        return new Price(Long.parseLong(text));
    }

}
