record Price(long cents) {

    Price {
        check(cents);
    }

    boolean free() {
        return cents == 0;
    }

}
