class Basket {

    void add(Item item) {
        this.items.add(item);
    }

    void add(Item item, int count) {
        this.items.add(item, count);
    }

}
