//! From an attribution map to the pixels that matter most.

use crate::ops::{TapeError, Var};
use crate::tape::Tape;

/// The pixels of each frame whose attribution is among the largest.
#[derive(Debug, Clone)]
pub struct QuantileMask {
    /// How much a pixel matters: maximum over a frame's channels of |map|, f32[B, F, H·W].
    pub magnitude: Var,
    /// Its ρ-quantile within each frame, f32[B, F, 1].
    pub threshold: Var,
    /// 1 where magnitude ≥ threshold, else 0, f32[B, F, H·W].
    pub mask: Var,
}

impl QuantileMask {
    /// Records the mask of `map`, f32[B, 3F, H, W], F = `frames`, at the quantile `rho`
    /// in 0..=1 (SPEC.md A.6.1). Nothing of it has a gradient.
    ///
    /// # Errors
    /// [`TapeError`] if the map does not have three channels a frame, or for a quantile
    /// out of its range.
    pub fn record(map: &Var, frames: usize, rho: f32) -> Result<QuantileMask, TapeError> {
        let magnitude = map.frame_magnitude(frames)?;
        let threshold = magnitude.quantile(rho)?;
        Ok(QuantileMask {
            mask: magnitude.at_least(&threshold)?,
            magnitude,
            threshold,
        })
    }

    /// Records the mask without the pixels that do not matter at all, f32[B, F, H·W]: of a
    /// frame whose quantile is 0 it keeps what is not 0, of one that is 0 everywhere
    /// nothing, where [`mask`](Self::mask), which is what SGQN trains with, keeps every
    /// pixel. A magnitude below the least normal f32 counts as 0: so devices may round it.
    ///
    /// # Errors
    /// Those of recording.
    pub fn kept(&self, tape: &Tape) -> Result<Var, TapeError> {
        let least = tape.full(&self.threshold.shape(), f32::MIN_POSITIVE);
        self.magnitude.at_least(&self.threshold.maximum(&least)?)
    }
}
