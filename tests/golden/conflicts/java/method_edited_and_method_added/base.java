class Basket {

    int total() { return sum(this.items); }

}
