//! Grad-CAM and Guided Grad-CAM (Selvaraju et al. 2017, arXiv:1610.02391; SPEC.md E.3).

use super::attribution;
use crate::ops::{TapeError, Var};
use crate::tape::{Gradient, Tape};

/// Where the feature maps of a convolution speak for a value.
#[derive(Debug, Clone)]
pub struct GradCam {
    /// Σ_c w_c A_c, f32[B, 1, n, n], where w_c is the mean over space of the value's true
    /// gradient to map c.
    pub before_relu: Var,
    /// The same where it is positive, else 0.
    pub cam: Var,
}

impl GradCam {
    /// Records Grad-CAM of `value`, f32[B, 1], at `features`, f32[B, C, n, n], from which it
    /// was computed: the output of the last convolution (of SGQN's encoder, before any
    /// ReLU).
    ///
    /// # Errors
    /// [`TapeError::NotDifferentiable`] if the value does not depend on the features;
    /// another shape.
    pub fn record(tape: &Tape, value: &Var, features: &Var) -> Result<GradCam, TapeError> {
        let weights = attribution(tape, value, features, Gradient::True)?.mean(2..4)?;
        let before_relu = features.mul(&weights)?.sum(1..2)?;
        Ok(GradCam {
            cam: before_relu.relu()?,
            before_relu,
        })
    }

    /// Guided Grad-CAM: `map`, f32[B, C, H, W], guided backpropagation of the same value, at
    /// each pixel times the nearest (by floor(i · n / H)) of the cam.
    ///
    /// # Errors
    /// Another shape.
    pub fn guide(&self, map: &Var) -> Result<Var, TapeError> {
        let [.., height, width] = map.shape()[..] else {
            return map.mul(&self.cam);
        };
        map.mul(&self.cam.resize_nearest(height, width)?)
    }
}
