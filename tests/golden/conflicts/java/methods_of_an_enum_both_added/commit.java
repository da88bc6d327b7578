enum Size {
    SMALL,
    LARGE;

    int factor() {
        return ordinal() + 1;
    }

    static Size of(double metres) {
        return metres > 2 ? LARGE : SMALL;
    }
}
