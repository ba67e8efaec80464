//! Initialisations (SPEC.md A.1). Random numbers are the CPU's: `rand_chacha`.

use rand::RngExt;
use rand_chacha::ChaCha12Rng;

/// A standard normal deviate (Box–Muller).
fn normal(rng: &mut ChaCha12Rng) -> f64 {
    let u: f64 = 1.0 - rng.random::<f64>();
    let v: f64 = rng.random();
    (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// A random semi-orthogonal matrix [rows, cols] times `gain`: its rows are
/// orthonormal if there are no more of them than columns, else its columns are.
pub fn orthogonal(rng: &mut ChaCha12Rng, rows: usize, cols: usize, gain: f64) -> Vec<f32> {
    // `short` orthonormal vectors of length `long`, by Gram–Schmidt on normal
    // deviates: uniformly distributed, as the QR of a normal matrix with the signs of
    // R's diagonal fixed. Projecting twice keeps them orthogonal to rounding.
    let (short, long) = (rows.min(cols), rows.max(cols));
    let mut basis: Vec<Vec<f64>> = Vec::with_capacity(short);
    while basis.len() < short {
        let mut v: Vec<f64> = (0..long).map(|_| normal(rng)).collect();
        for _ in 0..2 {
            for b in &basis {
                let projection = dot(&v, b);
                v.iter_mut().zip(b).for_each(|(x, y)| *x -= projection * y);
            }
        }
        let norm = dot(&v, &v).sqrt();
        if norm > 1e-6 {
            v.iter_mut().for_each(|x| *x /= norm);
            basis.push(v);
        }
    }
    let mut matrix = vec![0.0; rows * cols];
    for (i, b) in basis.iter().enumerate() {
        for (j, v) in b.iter().enumerate() {
            let at = if rows <= cols {
                i * cols + j
            } else {
                j * cols + i
            };
            matrix[at] = (gain * v) as f32;
        }
    }
    matrix
}

/// Delta-orthogonal kernel [out, in, k, k]: zero but for the centre tap, which is a
/// semi-orthogonal matrix times `gain`.
pub fn delta_orthogonal(
    rng: &mut ChaCha12Rng,
    [out, input, kh, kw]: [usize; 4],
    gain: f64,
) -> Vec<f32> {
    let centre = orthogonal(rng, out, input, gain);
    let mut kernel = vec![0.0; out * input * kh * kw];
    for (i, v) in centre.into_iter().enumerate() {
        kernel[i * kh * kw + (kh / 2) * kw + kw / 2] = v;
    }
    kernel
}

/// Normal of mean 0; what lies beyond ±2 is drawn again.
pub fn truncated_normal(rng: &mut ChaCha12Rng, len: usize, deviation: f64) -> Vec<f32> {
    let mut draw = || loop {
        let value = deviation * normal(rng);
        if value.abs() <= 2.0 {
            return value as f32;
        }
    };
    (0..len).map(|_| draw()).collect()
}

/// Uniform in ±bound.
pub fn uniform(rng: &mut ChaCha12Rng, len: usize, bound: f64) -> Vec<f32> {
    (0..len)
        .map(|_| ((2.0 * rng.random::<f64>() - 1.0) * bound) as f32)
        .collect()
}

/// Uniform in 0..1.
pub fn unit_interval(rng: &mut ChaCha12Rng, len: usize) -> Vec<f32> {
    (0..len).map(|_| rng.random::<f32>()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    /// Rows (or columns) are orthonormal times the gain.
    #[test]
    fn orthogonal_is_orthogonal() {
        for (rows, cols) in [(1, 1), (5, 17), (17, 5), (32, 32), (32, 9)] {
            let m = orthogonal(&mut ChaCha12Rng::seed_from_u64(3), rows, cols, 2f64.sqrt());
            let at = |i: usize, j: usize| f64::from(m[i * cols + j]);
            let short = rows.min(cols);
            for a in 0..short {
                for b in 0..short {
                    let product: f64 = if rows <= cols {
                        (0..cols).map(|k| at(a, k) * at(b, k)).sum()
                    } else {
                        (0..rows).map(|k| at(k, a) * at(k, b)).sum()
                    };
                    let expected = if a == b { 2.0 } else { 0.0 };
                    assert!(
                        (product - expected).abs() < 1e-6,
                        "{rows}x{cols} {a} {b}: {product}"
                    );
                }
            }
        }
    }

    #[test]
    fn delta_orthogonal_has_only_a_centre() {
        let k = delta_orthogonal(&mut ChaCha12Rng::seed_from_u64(3), [4, 3, 3, 3], 1.0);
        let off_centre = k.iter().enumerate().filter(|(i, _)| i % 9 != 4);
        assert!(off_centre.map(|(_, v)| v.abs()).sum::<f32>() == 0.0);
        assert!(k.iter().filter(|v| **v != 0.0).count() == 12);
    }
}
