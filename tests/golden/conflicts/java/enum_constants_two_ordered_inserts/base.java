enum Coin {
    CENT,
    EURO
}
