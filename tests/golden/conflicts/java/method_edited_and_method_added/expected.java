class Basket {

    int total() { return sum(this.items, this.discount); }
    int count() { return this.items.size(); }

}
