//! What stands in place of masked pixels: see [`Var::mask_fill`].

use crate::ops::{TapeError, Var};

/// Records one grey for a whole batch, `f32[1]`: `u`, `f32[1]` in 0..1, of the way from
/// the smallest to the largest value in `pixels`, f32 of any shape (SPEC.md A.6.2). With
/// a uniform `u` it is the filling of the released SGQN code.
pub fn uniform_grey(pixels: &Var, u: &Var) -> Result<Var, TapeError> {
    let (low, high) = pixels.batch_min_max()?;
    low.add(&high.sub(&low)?.mul(u)?)
}
