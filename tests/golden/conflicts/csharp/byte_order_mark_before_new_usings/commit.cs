using Cart;
using Zoo.Ant;

class Shop { }
