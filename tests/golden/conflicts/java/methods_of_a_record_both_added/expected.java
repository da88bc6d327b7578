record Price(long cents) {

    Price {
        check(cents);
    }

    boolean free() {
        return cents == 0;
    }

    static Price parse(String text) {
        return new Price(Long.parseLong(text));
    }

}
