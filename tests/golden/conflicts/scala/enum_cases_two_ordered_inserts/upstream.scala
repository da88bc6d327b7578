enum Suit {
  case Hearts
  case Clubs
  case Spades
}
