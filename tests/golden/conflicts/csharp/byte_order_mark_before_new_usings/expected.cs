using Bell;
using Cart;
using Zoo.Ant;

class Shop { }
