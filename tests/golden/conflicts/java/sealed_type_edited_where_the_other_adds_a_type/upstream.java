package shop;

sealed interface Shape permits Square {
}
