pub struct Money(i64);

impl From<i64> for Money {
    fn from(cents: i64) -> Self {
        Money(cents)
    }
}
