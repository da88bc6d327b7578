class Shop {

    static class Builder {

        Shop build() {
            return new Shop();
        }

    }

}
