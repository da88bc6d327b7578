class Shop {

    static class Builder {

        Shop build() {
            return new Shop();
        }

        Builder name(String name) {
            this.name = name;
            return this;
        }

        void reset() {
            rows.clear();
        }

    }

}
