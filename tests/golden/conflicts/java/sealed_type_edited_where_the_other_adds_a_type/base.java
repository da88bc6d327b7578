package shop;

interface Shape {
}
