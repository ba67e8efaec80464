//! Fixed position embeddings of patches: sines and cosines of row and column
//! (SPEC.md B.1), and their resizing to other grids. Computed in float64, once.

/// Which of a patch's two coordinates fills the first half of its vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstCoordinate {
    /// MultiMAE.
    Row,
    /// MAE.
    Column,
}

/// How embeddings are carried to a grid of another size: the sample points of the new
/// grid lie in the middle of its cells (`align_corners` off), without antialiasing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interpolation {
    Bilinear,
    /// Four taps with A = −0.75 (Keys 1981), as PyTorch does.
    Bicubic,
}

/// Parameter of the cubic kernel.
const CUBIC_A: f64 = -0.75;
/// Longest wavelength over 2π, roughly.
const BASE: f64 = 10_000.0;

/// Position vectors of a grid, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct PositionGrid {
    rows: usize,
    columns: usize,
    dim: usize,
    /// [rows, columns, dim]
    values: Vec<f64>,
}

impl PositionGrid {
    /// The vector of (i, j) is sin and cos of i ω, then of j ω, a quarter of `dim` each
    /// (the other way round with [`FirstCoordinate::Column`]); frequency k of dim/4 is
    /// ω = 10,000^(−4k/dim). `dim` is a multiple of 4.
    pub fn sin_cos(
        rows: usize,
        columns: usize,
        dim: usize,
        first: FirstCoordinate,
    ) -> PositionGrid {
        let quarter = dim / 4;
        let frequency = |k: usize| BASE.powf(-(k as f64) / quarter as f64);
        let mut values = Vec::with_capacity(rows * columns * dim);
        for i in 0..rows {
            for j in 0..columns {
                let coordinates = match first {
                    FirstCoordinate::Row => [i, j],
                    FirstCoordinate::Column => [j, i],
                };
                for at in coordinates {
                    let angle = |k| at as f64 * frequency(k);
                    values.extend((0..quarter).map(|k| angle(k).sin()));
                    values.extend((0..quarter).map(|k| angle(k).cos()));
                }
            }
        }
        PositionGrid {
            rows,
            columns,
            dim,
            values,
        }
    }

    /// The embeddings on another grid.
    pub fn resized(
        &self,
        rows: usize,
        columns: usize,
        interpolation: Interpolation,
    ) -> PositionGrid {
        let vertical = taps(self.rows, rows, interpolation);
        let horizontal = taps(self.columns, columns, interpolation);
        let mut values = vec![0.0; rows * columns * self.dim];
        for (cell, out) in values.chunks_exact_mut(self.dim).enumerate() {
            for &(i, v) in &vertical[cell / columns] {
                for &(j, h) in &horizontal[cell % columns] {
                    let from = &self.values[(i * self.columns + j) * self.dim..][..self.dim];
                    for (sum, value) in out.iter_mut().zip(from) {
                        *sum += v * h * value;
                    }
                }
            }
        }
        PositionGrid {
            rows,
            columns,
            dim: self.dim,
            values,
        }
    }

    /// `f32[rows · columns, dim]`.
    pub fn to_f32(&self) -> Vec<f32> {
        self.values.iter().map(|&v| v as f32).collect()
    }
}

/// For each of `to` points along an axis of `from` cells: indices and weights. What would
/// lie outside is the cell at the edge.
fn taps(from: usize, to: usize, interpolation: Interpolation) -> Vec<Vec<(usize, f64)>> {
    let inside = |i: f64| i.clamp(0.0, (from - 1) as f64) as usize;
    (0..to)
        .map(|o| {
            let at = (o as f64 + 0.5) * from as f64 / to as f64 - 0.5;
            match interpolation {
                Interpolation::Bilinear => {
                    let at = at.max(0.0);
                    let part = at - at.floor();
                    vec![
                        (inside(at.floor()), 1.0 - part),
                        (inside(at.floor() + 1.0), part),
                    ]
                }
                Interpolation::Bicubic => (-1..=2)
                    .map(|tap| {
                        let place = at.floor() + f64::from(tap);
                        (inside(place), cubic((at - place).abs()))
                    })
                    .collect(),
            }
        })
        .collect()
}

/// The cubic kernel at a distance from 0 to 2.
fn cubic(d: f64) -> f64 {
    match d {
        d if d <= 1.0 => ((CUBIC_A + 2.0) * d - (CUBIC_A + 3.0)) * d * d + 1.0,
        d if d < 2.0 => (((d - 5.0) * d + 8.0) * d - 4.0) * CUBIC_A,
        _ => 0.0,
    }
}
