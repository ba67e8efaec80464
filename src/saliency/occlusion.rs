//! Occlusion: a window of the picture is covered, place after place, and each place is
//! credited with what the value loses (SPEC.md E.4).

use std::fmt;

use super::BlackBox;
use crate::ops::{OcclusionWindows, TapeError, Var};

/// Options of occlusion. What the paper of SGQN leaves out is inferred (SPEC.md H): a
/// window of 8×8, stride 4, baseline 0, one frame of a stack at a time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Occlusion {
    /// Height and width of the window in pixels.
    pub window: [usize; 2],
    /// Pixels from one window to the next, down and along, at most the window's.
    pub stride: [usize; 2],
    /// What a covered pixel becomes, on the scale of the picture (0..255).
    pub baseline: f32,
    /// Whether a window covers one frame of the stack at a time, or all of them.
    pub per_frame: bool,
}

impl Default for Occlusion {
    fn default() -> Occlusion {
        Occlusion {
            window: [8; 2],
            stride: [4; 2],
            baseline: 0.0,
            per_frame: true,
        }
    }
}

/// `window 8×8, stride 4×4, baseline 0, one frame at a time`
impl fmt::Display for Occlusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ([h, w], [down, along]) = (self.window, self.stride);
        let frames = match self.per_frame {
            true => "one frame at a time",
            false => "all frames together",
        };
        let baseline = self.baseline;
        write!(
            f,
            "window {h}×{w}, stride {down}×{along}, baseline {baseline}, {frames}"
        )
    }
}

impl Occlusion {
    /// The windows in stacks of `frames` pictures of `picture` pixels (height and width).
    ///
    /// # Errors
    /// [`TapeError::Option`] for a window or a stride that does not fit.
    pub fn windows(
        &self,
        picture: [usize; 2],
        frames: usize,
    ) -> Result<OcclusionWindows, TapeError> {
        if !self.baseline.is_finite() {
            return Err(TapeError::Option {
                op: "occlusion",
                message: format!("the baseline is {}; it must be finite", self.baseline),
            });
        }
        OcclusionWindows {
            picture,
            window: self.window,
            stride: self.stride,
            groups: if self.per_frame { frames } else { 1 },
        }
        .checked()
    }

    /// Occlusion of stacks of `frames` pictures of `picture` pixels.
    ///
    /// # Errors
    /// Those of [`Occlusion::windows`].
    pub fn black_box(
        &self,
        picture: [usize; 2],
        frames: usize,
    ) -> Result<Box<dyn BlackBox>, TapeError> {
        Ok(Box::new(Covered {
            windows: self.windows(picture, frames)?,
            baseline: self.baseline,
        }))
    }
}

/// Windows of pictures of one size.
#[derive(Debug)]
struct Covered {
    windows: OcclusionWindows,
    baseline: f32,
}

impl BlackBox for Covered {
    /// The picture itself, so that its value comes from the same program, and one for each
    /// window.
    fn items(&self) -> usize {
        1 + self.windows.count()
    }

    fn change(&self, pixels: &Var, number: &Var, items: usize) -> Result<Var, TapeError> {
        pixels.occlude(number, items, self.windows, self.baseline)
    }

    fn map(&self, scores: &Var, _number: &Var) -> Result<Var, TapeError> {
        scores.occlusion_map(self.windows)
    }
}
