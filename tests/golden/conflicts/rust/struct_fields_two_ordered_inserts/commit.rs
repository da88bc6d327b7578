#[derive(PartialOrd)]
pub struct Version {
    major: u32,
    minor: u32,
    build: String,
}
