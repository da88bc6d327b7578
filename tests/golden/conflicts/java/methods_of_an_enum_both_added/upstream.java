enum Size {
    SMALL,
    LARGE;

    int factor() {
        return ordinal() + 1;
    }

    String label() {
        return name().toLowerCase();
    }
}
