using Bell;
using Zoo.Ant;

class Shop { }
