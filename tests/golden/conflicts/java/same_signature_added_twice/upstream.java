class Basket {

    void add(Item item) {
    }

    void clear() {
        this.items.clear();
    }

}
