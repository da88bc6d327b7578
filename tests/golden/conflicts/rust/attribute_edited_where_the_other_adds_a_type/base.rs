#[derive(Clone)]
pub struct Point {
    x: f64,
    y: f64,
}

pub fn origin() -> Point {
    Point { x: 0.0, y: 0.0 }
}
