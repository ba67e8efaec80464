//! Vectors of the plane.

/// Two numbers: to the right, and up.
pub type V2 = [f64; 2];

pub fn add(a: V2, b: V2) -> V2 {
    [a[0] + b[0], a[1] + b[1]]
}

pub fn sub(a: V2, b: V2) -> V2 {
    [a[0] - b[0], a[1] - b[1]]
}

pub fn scale(a: V2, s: f64) -> V2 {
    [a[0] * s, a[1] * s]
}

pub fn dot(a: V2, b: V2) -> f64 {
    a[0] * b[0] + a[1] * b[1]
}

pub fn length(a: V2) -> f64 {
    dot(a, a).sqrt()
}

/// `a` turned left by a right angle.
pub fn left(a: V2) -> V2 {
    [-a[1], a[0]]
}

/// `a` turned left by the angle of which `turn` is (cosine, sine).
pub fn turned(a: V2, turn: V2) -> V2 {
    add(scale(a, turn[0]), scale(left(a), turn[1]))
}
