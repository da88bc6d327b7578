pub enum Level {
    Low,
    High,
    Unknown,
}
