enum Coin {
    CENT,
    PENNY,
    EURO
}
