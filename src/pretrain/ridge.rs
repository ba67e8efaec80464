//! Linear regression with a penalty on the weights (ridge: Hoerl & Kennard 1970), in
//! closed form and in float64: the normal equations by Cholesky's factors.

/// Sums over samples that a regression of any penalty can be solved from. Features get
/// a constant beside them, whose weight is the intercept and is not penalised.
#[derive(Debug, Clone, PartialEq)]
pub struct NormalEquations {
    features: usize,
    targets: usize,
    count: usize,
    /// Σ x xᵀ, f64[F + 1, F + 1]; below the diagonal and on it.
    gram: Vec<f64>,
    /// Σ x yᵀ, f64[F + 1, T].
    cross: Vec<f64>,
}

/// Weights of a linear map with an intercept.
#[derive(Debug, Clone, PartialEq)]
pub struct Linear {
    targets: usize,
    /// f64[F + 1, T]; the last row is the intercept.
    weights: Vec<f64>,
}

impl NormalEquations {
    /// Of no samples yet.
    pub fn new(features: usize, targets: usize) -> NormalEquations {
        let rows = features + 1;
        NormalEquations {
            features,
            targets,
            count: 0,
            gram: vec![0.0; rows * rows],
            cross: vec![0.0; rows * targets],
        }
    }

    /// Adds a sample: as many features and targets as were announced.
    pub fn add(&mut self, features: &[f64], targets: &[f64]) {
        let rows = self.features + 1;
        let constant = [1.0];
        let x = || features.iter().chain(&constant);
        for (i, &a) in x().enumerate() {
            let sums = &mut self.gram[i * rows..][..i + 1];
            for (sum, &b) in sums.iter_mut().zip(x()) {
                *sum += a * b;
            }
            let sums = &mut self.cross[i * self.targets..][..self.targets];
            for (sum, &y) in sums.iter_mut().zip(targets) {
                *sum += a * y;
            }
        }
        self.count += 1;
    }

    /// The sums of both.
    pub fn with(mut self, other: &NormalEquations) -> NormalEquations {
        self.count += other.count;
        let sums = self.gram.iter_mut().chain(&mut self.cross);
        for (a, b) in sums.zip(other.gram.iter().chain(&other.cross)) {
            *a += b;
        }
        self
    }

    /// Minimises Σ |W x + b − y|² / n + `penalty` · |W|². None if the equations have no
    /// unique solution in float64: no samples, features that depend on each other without
    /// a penalty that tells them apart, or a value that is no number.
    pub fn solve(&self, penalty: f64) -> Option<Linear> {
        let rows = self.features + 1;
        let mut factor = self.gram.clone();
        for i in 0..self.features {
            factor[i * rows + i] += penalty * self.count as f64;
        }
        cholesky(&mut factor, rows)?;
        let mut weights = self.cross.clone();
        substitute(&factor, &mut weights, rows, self.targets);
        let targets = self.targets;
        (weights.iter().all(|w| w.is_finite())).then_some(Linear { targets, weights })
    }
}

impl Linear {
    /// `f64[F]` → `f64[T]`.
    pub fn predict(&self, features: &[f64]) -> Vec<f64> {
        let (weights, intercept) = self.weights.split_at(self.targets * features.len());
        let mut sums = intercept.to_vec();
        for (x, weights) in features.iter().zip(weights.chunks_exact(self.targets)) {
            for (sum, w) in sums.iter_mut().zip(weights) {
                *sum += x * w;
            }
        }
        sums
    }
}

/// Replaces the lower triangle of a symmetric matrix [n, n] by L with L Lᵀ = the matrix;
/// none if it is not positive definite to rounding.
fn cholesky(matrix: &mut [f64], n: usize) -> Option<()> {
    for i in 0..n {
        for j in 0..=i {
            let (head, row) = matrix.split_at(i * n);
            let above = if i == j { row } else { &head[j * n..] };
            let product: f64 = row[..j].iter().zip(&above[..j]).map(|(a, b)| a * b).sum();
            let rest = matrix[i * n + j] - product;
            matrix[i * n + j] = match i == j {
                false => rest / matrix[j * n + j],
                // What rounding leaves of a zero is no pivot.
                true if rest > matrix[i * n + i].abs() * SMALLEST_PIVOT => rest.sqrt(),
                true => return None,
            };
        }
    }
    Some(())
}

/// Of a diagonal element that was, relative to it.
const SMALLEST_PIVOT: f64 = 1e-14;

/// Solves L Lᵀ X = B in place, B [n, columns].
fn substitute(factor: &[f64], b: &mut [f64], n: usize, columns: usize) {
    let mut row = |i: usize, before: &mut dyn Iterator<Item = (usize, f64)>| {
        for (j, f) in before {
            for c in 0..columns {
                b[i * columns + c] -= f * b[j * columns + c];
            }
        }
        for c in 0..columns {
            b[i * columns + c] /= factor[i * n + i];
        }
    };
    for i in 0..n {
        row(i, &mut (0..i).map(|j| (j, factor[i * n + j])));
    }
    for i in (0..n).rev() {
        row(i, &mut (i + 1..n).map(|j| (j, factor[j * n + i])));
    }
}
