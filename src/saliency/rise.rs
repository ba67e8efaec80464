//! RISE: the value of the picture behind random masks, and the mean of the masks weighted
//! by it (SPEC.md E.5).

use std::fmt;

use super::BlackBox;
use crate::ops::{RiseMasks, Stream, TapeError, Var};

/// Stream of the masks' random numbers.
const MASKS: u32 = 0x515E;

/// Options of RISE. What the paper of SGQN leaves out is inferred (SPEC.md E.5, H): 4,000
/// masks of 7×7 cells, each open with probability ½.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rise {
    /// How many masks, 1 to what fits into memory: [`RiseMasks::most`].
    pub masks: usize,
    /// Cells of a side of a mask, 1 to the picture's smaller side.
    pub cells: usize,
    /// How likely a cell is open, above 0 and at most 1.
    pub probability: f32,
    /// Seed of the masks: the same gives the same masks, for every picture.
    pub seed: u64,
}

impl Default for Rise {
    fn default() -> Rise {
        Rise {
            masks: 4_000,
            cells: 7,
            probability: 0.5,
            seed: 1,
        }
    }
}

/// `4000 masks of 7×7 cells, open with probability 0.5`
impl fmt::Display for Rise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (masks, cells, probability) = (self.masks, self.cells, self.probability);
        write!(
            f,
            "{masks} masks of {cells}×{cells} cells, open with probability {probability}"
        )
    }
}

impl Rise {
    /// The masks for pictures of `picture` pixels (height and width).
    ///
    /// # Errors
    /// [`TapeError::Option`] for an option out of its range.
    pub fn masks(&self, picture: [usize; 2]) -> Result<RiseMasks, TapeError> {
        if self.masks == 0 {
            return Err(TapeError::Option {
                op: "rise",
                message: "there are 0 masks; at least 1 is needed".to_string(),
            });
        }
        let masks = RiseMasks {
            picture,
            cells: self.cells,
            probability: self.probability,
            stream: Stream {
                seed: self.seed,
                stream: MASKS,
            },
        }
        .checked()?;
        match self.masks > masks.most() {
            true => Err(TapeError::Option {
                op: "rise",
                message: format!(
                    "there are {} masks of {cells}×{cells} cells; of such masks {} fit into memory",
                    self.masks,
                    masks.most(),
                    cells = self.cells,
                ),
            }),
            false => Ok(masks),
        }
    }

    /// RISE of pictures of `picture` pixels; all frames of a stack share a mask.
    ///
    /// # Errors
    /// Those of [`Rise::masks`].
    pub fn black_box(&self, picture: [usize; 2]) -> Result<Box<dyn BlackBox>, TapeError> {
        Ok(Box::new(Masked {
            masks: self.masks(picture)?,
            count: self.masks,
        }))
    }
}

/// Masks for pictures of one size.
#[derive(Debug)]
struct Masked {
    masks: RiseMasks,
    count: usize,
}

impl BlackBox for Masked {
    fn items(&self) -> usize {
        self.count
    }

    fn change(&self, pixels: &Var, number: &Var, items: usize) -> Result<Var, TapeError> {
        let grids = number.rise_grids(self.masks, items)?;
        pixels.rise_masked(&grids, self.masks)
    }

    /// (1 / (N p)) Σ (f_i − f̄) m_i: values are not bounded, and without the mean taken off
    /// the sum of the masks would drown what they differ in.
    fn map(&self, scores: &Var, number: &Var) -> Result<Var, TapeError> {
        let grids = number.rise_grids(self.masks, self.count)?;
        let weights = scores.sub(&scores.mean(0..1)?)?;
        let share = 1.0 / (self.count as f32 * self.masks.probability);
        weights.rise_sum(&grids, self.masks)?.scale(share)
    }
}
