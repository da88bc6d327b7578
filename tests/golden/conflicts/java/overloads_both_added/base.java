class Basket {

    void add(Item item) {
        this.items.add(item);
    }

}
