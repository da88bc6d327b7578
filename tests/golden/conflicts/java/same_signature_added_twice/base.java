class Basket {

    void add(Item item) {
    }

}
