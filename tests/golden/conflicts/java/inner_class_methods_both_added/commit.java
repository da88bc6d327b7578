class Shop {

    static class Builder {

        Shop build() {
            return new Shop();
        }

        void reset() {
            rows.clear();
        }

    }

}
