package shop;

record Square(double side) {
}

interface Shape {
}
