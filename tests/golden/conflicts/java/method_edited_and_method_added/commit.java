class Basket {

    int total() { return sum(this.items); }
    int count() { return this.items.size(); }

}
