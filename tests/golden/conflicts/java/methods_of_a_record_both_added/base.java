record Price(long cents) {

    Price {
        check(cents);
    }

}
