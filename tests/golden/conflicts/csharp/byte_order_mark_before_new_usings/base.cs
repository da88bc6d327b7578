using Zoo.Ant;

class Shop { }
