package shop;

record Square(double side) {
}

sealed interface Shape permits Square {
}
