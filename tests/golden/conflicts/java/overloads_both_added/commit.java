class Basket {

    void add(Item item) {
        this.items.add(item);
    }

    void add(String name) {
        this.items.add(new Item(name));
    }

}
