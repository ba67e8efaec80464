//! How much a value depends on each pixel.

use crate::ops::{TapeError, Var};
use crate::tape::{Gradient, Tape};

/// Records the attribution of `value`, f32[B, 1] (or a scalar), to `pixels`,
/// f32[B, C, H, W]: the gradient of the sum over the batch, so each picture gets that of
/// its own value. Signed, shaped like `pixels`, per unit of their scale.
///
/// With [`Gradient::Guided`] it is guided backpropagation (Springenberg et al. 2015,
/// arXiv:1412.6806; SPEC.md A.6.1), with [`Gradient::True`] the plain gradient.
///
/// # Errors
/// [`TapeError::NotDifferentiable`] if `value` does not depend on `pixels`, or does so
/// through an operation without a gradient.
pub fn attribution(
    tape: &Tape,
    value: &Var,
    pixels: &Var,
    rule: Gradient,
) -> Result<Var, TapeError> {
    let seed = tape.full(&value.shape(), 1.0);
    let gradients =
        tape.gradients_seeded(&[(value.clone(), seed)], std::slice::from_ref(pixels), rule)?;
    match gradients.into_iter().next().flatten() {
        Some(map) => Ok(map),
        None => Err(TapeError::NotDifferentiable { op: "attribution" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tape::Tensor;

    #[test]
    fn a_value_that_does_not_depend_on_the_pixels_has_no_attribution() {
        let tape = Tape::new();
        let pixels = tape.input("pixels", Tensor::f32(&[2, 3, 4, 4]));
        let other = tape.input("other", Tensor::f32(&[2, 1]));
        let value = pixels.reshape(&[2, 48]).unwrap().slice(1, 0..1).unwrap();
        let map = attribution(&tape, &value, &pixels, Gradient::True).unwrap();
        assert_eq!(map.shape(), pixels.shape());
        let error = attribution(&tape, &other, &pixels, Gradient::True).unwrap_err();
        assert_eq!(error.to_string(), "attribution has no gradient");
    }
}
