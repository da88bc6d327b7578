enum Suit {
  case Hearts
  case Diamonds
  case Spades
}
