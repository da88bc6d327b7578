pub struct Money(i64);

impl From<i64> for Money {
    fn from(cents: i64) -> Self {
        Money(cents)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
