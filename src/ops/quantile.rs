//! `quantile`: an exact quantile of each row, interpolated linearly (SPEC.md A.6.1).

use super::{DType, Lower, Op, TapeError, Tensor, Var, shape_error};

/// Integers above this are not all f32 numbers: positions would be off.
const LONGEST_ROW: usize = 1 << 24;

/// Input: f32[…, N]. Output: f32[…, 1].
#[derive(Debug)]
struct Quantile(f32);

/// Where the quantile lies among `row` sorted elements: the index of the one below it
/// and how far from there to the next. In f32, as PyTorch computes it.
fn position(rho: f32, row: usize) -> (usize, f32) {
    let position = rho * (row - 1) as f32;
    (position.floor() as usize, position - position.floor())
}

impl Op for Quantile {
    fn name(&self) -> &'static str {
        "quantile"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        match inputs {
            [x] if x.dtype == DType::F32
                && !x.is_empty()
                && x.shape.last().is_some_and(|&row| row <= LONGEST_ROW) =>
            {
                let mut shape = x.shape.clone();
                if let Some(row) = shape.last_mut() {
                    *row = 1;
                }
                Ok(vec![Tensor::f32(&shape)])
            }
            _ => Err(shape_error(
                "quantile",
                inputs,
                format!("a non-empty f32[…, N] with N up to {LONGEST_ROW}"),
            )),
        }
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let (x, y) = (cx.input(0), cx.output(0));
        let (row, rows) = (x.shape().last().copied().unwrap_or(1), y.tensor.len());
        let (below, weight) = position(self.0, row);
        let kernel = cx.row_kernel("quantile/select", [rows, row]);
        cx.dispatch(kernel.key)
            .bind("x", &x)
            .bind("y", &y)
            .u32("rows", rows)
            .u32("row", kernel.width)
            .u32("below", below)
            .f32("weight", weight)
            .linear_groups(kernel.groups)
    }
}

impl Var {
    /// The quantile `rho` of each row of an f32[…, N]: f32[…, 1].
    ///
    /// With the row sorted ascending and p = rho · (N − 1) in f32, it lies between the
    /// elements ⌊p⌋ and ⌊p⌋ + 1, interpolated linearly: bit for bit the order statistic
    /// where p is whole, and equal to `torch.quantile` up to the last place of the
    /// interpolation elsewhere. Elements of any sign, finite. No gradient.
    ///
    /// Errors: not f32, empty, rows longer than 2²⁴, or `rho` outside 0..=1.
    pub fn quantile(&self, rho: f32) -> Result<Var, TapeError> {
        if !(0.0..=1.0).contains(&rho) {
            return Err(TapeError::Option {
                op: "quantile",
                message: format!("rho is {rho}; it must lie in 0..=1"),
            });
        }
        Var::record1(Quantile(rho), &[self])
    }
}

#[cfg(test)]
mod tests {
    use super::position;

    #[test]
    fn positions_are_those_of_f32() {
        assert_eq!(position(0.0, 1), (0, 0.0));
        assert_eq!(position(1.0, 7056), (7055, 0.0));
        // 0.95 · 7055 = 6702.25 and 0.98 · 7055 = 6913.9: f32 keeps 11 bits behind the point.
        assert_eq!(position(0.95, 7056), (6702, 0.25));
        let (below, weight) = position(0.98, 7056);
        assert_eq!(below, 6913);
        assert!((weight - 0.9).abs() < 1.0 / 2048.0);
    }
}
