pub struct Money(i64);

impl From<i64> for Money {
    fn from(cents: i64) -> Self {
        Money(cents)
    }
}

impl Neg for Money {
    type Output = Money;

    fn neg(self) -> Money {
        Money(-self.0)
    }
}
