//! Forces of constraints that push or hold: soft, found by sweeps over them.
//!
//! Each constraint wants the acceleration along it that a critically damped spring
//! would have, and gives way to it by its softness; its force keeps within bounds.
//! Method: projected Gauss-Seidel on A f + R f = wanted − free, with A = J M⁻¹ Jᵀ
//! (E. Todorov, Convex and analytically-invertible dynamics with contacts and
//! constraints, 2014, in its first, iterative form).

/// A constraint is this part hard: of the acceleration that is wanted against the
/// force of the others, a fraction 1 − HARDNESS is given way.
const HARDNESS: f64 = 0.95;
/// The most sweeps, and the change of an acceleration that ends them.
const SWEEPS: usize = 40;
const SETTLED: f64 = 1e-4;

/// The Cholesky factor of a mass matrix.
pub(super) struct Factor<const N: usize>([[f64; N]; N]);

impl<const N: usize> Factor<N> {
    /// Of a symmetric, positive definite matrix.
    pub fn new(mut m: [[f64; N]; N]) -> Factor<N> {
        for i in 0..N {
            for j in 0..=i {
                let before: f64 = (0..j).map(|k| m[i][k] * m[j][k]).sum();
                let rest = m[i][j] - before;
                m[i][j] = if i == j { rest.sqrt() } else { rest / m[j][j] };
            }
        }
        Factor(m)
    }

    /// x, where the matrix times x is `y`.
    pub fn solve(&self, mut y: [f64; N]) -> [f64; N] {
        let l = &self.0;
        for i in 0..N {
            let before: f64 = (0..i).map(|k| l[i][k] * y[k]).sum();
            y[i] = (y[i] - before) / l[i][i];
        }
        for i in (0..N).rev() {
            let after: f64 = (i + 1..N).map(|k| l[k][i] * y[k]).sum();
            y[i] = (y[i] - after) / l[i][i];
        }
        y
    }
}

/// Within what the force of a constraint must keep.
#[derive(Debug, Clone, Copy)]
pub(super) enum Bound {
    /// It pushes, or does nothing.
    Push,
    /// Its magnitude is at most this.
    Most(f64),
    /// Its magnitude is at most this times the force of the constraint that was
    /// pushed before it.
    Rubs(f64),
}

/// One constraint.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<const N: usize> {
    /// The gradient, by the coordinates, of what is constrained.
    pub gradient: [f64; N],
    /// The acceleration along it that is wanted.
    pub wanted: f64,
    pub bound: Bound,
}

/// The accelerations of the coordinates under constraints, where they would be
/// `free` without.
pub(super) fn constrained<const N: usize>(
    factor: &Factor<N>,
    free: [f64; N],
    rows: &[Row<N>],
) -> [f64; N] {
    let product = |a: &[f64; N], b: &[f64; N]| -> f64 { (0..N).map(|i| a[i] * b[i]).sum() };
    let answers: Vec<[f64; N]> = rows.iter().map(|row| factor.solve(row.gradient)).collect();
    let own: Vec<f64> = (rows.iter().zip(&answers))
        .map(|(row, answer)| product(&row.gradient, answer))
        .collect();
    let mut forces = vec![0.0f64; rows.len()];
    let mut acceleration = free;
    for _ in 0..SWEEPS {
        let mut change = 0.0f64;
        for (i, row) in rows.iter().enumerate() {
            let soft = own[i] * (1.0 - HARDNESS) / HARDNESS;
            let there = product(&row.gradient, &acceleration) + soft * forces[i];
            let asked = forces[i] + (row.wanted - there) / (own[i] + soft).max(1e-12);
            let force = match row.bound {
                Bound::Push => asked.max(0.0),
                Bound::Most(most) => asked.clamp(-most, most),
                Bound::Rubs(friction) => {
                    let most = friction * forces[i.saturating_sub(1)];
                    asked.clamp(-most, most)
                }
            };
            let more = force - forces[i];
            forces[i] = force;
            change = change.max(more.abs() * own[i]);
            for (a, by) in acceleration.iter_mut().zip(&answers[i]) {
                *a += more * by;
            }
        }
        if change < SETTLED {
            break;
        }
    }
    acceleration
}
