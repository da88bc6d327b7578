enum Size {
    SMALL,
    LARGE;

    int factor() {
        return ordinal() + 1;
    }

    String label() {
        return name().toLowerCase();
    }

    static Size of(double metres) {
        return metres > 2 ? LARGE : SMALL;
    }
}
