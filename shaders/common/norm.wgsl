// A sum of squares as a pair: the largest magnitude and the sum of the squares of
// the values divided by it, so that no square overflows or vanishes.

const SMALLEST_NORMAL = 1.17549435e-38;
const LARGEST = 3.4028234e38;

// (value / largest)^2, 0 where everything is 0.
fn scaled_square(value: f32, largest: f32) -> f32 {
    let ratio = value / max(largest, SMALLEST_NORMAL);
    return ratio * ratio;
}
