pub fn total(items: &[Item]) -> u64 {
    items.iter().map(Item::price).sum()
}
