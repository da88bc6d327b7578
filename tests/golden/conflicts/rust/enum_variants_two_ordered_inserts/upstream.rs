pub enum Level {
    Low,
    High,
    Critical,
}
