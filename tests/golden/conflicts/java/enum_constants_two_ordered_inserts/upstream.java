enum Coin {
    CENT,
    DIME,
    EURO
}
