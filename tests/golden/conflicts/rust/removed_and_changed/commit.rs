pub fn price(item: &Item) -> u64 {
    item.price - item.rebate
}

pub fn total(items: &[Item]) -> u64 {
    items.iter().map(price).sum()
}
