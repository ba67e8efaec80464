//! Images cut into patches, and how well restored patches fit (SPEC.md B.1, B.4, B.6).

use crate::ops::{TapeError, UnaryKind, Var};

/// What a pixel's true value is taken from in the weighted squared error: white counts
/// 21 times what black does.
const WEIGHT_OF_WHITE: f32 = 1.05;
/// Added to a patch's variance.
const VARIANCE_EPS: f32 = 1e-6;

/// In which order the pixels of a patch lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PixelOrder {
    /// By channel, row, column: MultiMAE, and the weights of every patch embedding.
    ChannelsFirst,
    /// By row, column, channel: what MAE restores.
    ChannelsLast,
}

/// How a restored patch is compared with the true one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatchLoss {
    /// Mean squared error.
    Squared,
    /// Mean absolute error.
    Absolute,
    /// Mean squared error, each pixel's over 1.05 less its true value in 0..1: the few
    /// white pixels of a map count as much as its many black ones (SPEC.md C.2).
    SquaredByValue,
    /// Mean squared error to the patch less its mean, over its deviation (unbiased).
    SquaredOfNormalised,
}

/// Images f32[B, C, H, W] → patches f32[B, N, C · patch²], row-major.
///
/// # Errors
/// [`TapeError::Option`] for images that `patch` does not divide.
pub fn patchify(image: &Var, patch: usize, order: PixelOrder) -> Result<Var, TapeError> {
    let wrong = |message: String| {
        let op = "patchify";
        Err(TapeError::Option { op, message })
    };
    let shape = image.shape();
    let [b, c, h, w] = shape[..] else {
        return wrong(format!(
            "images of shape {shape:?}; they must be [B, C, H, W]"
        ));
    };
    if patch == 0 || h % patch != 0 || w % patch != 0 {
        return wrong(format!(
            "patches of {patch} do not divide images of {h}×{w}"
        ));
    }
    let axes = match order {
        PixelOrder::ChannelsFirst => [0, 2, 4, 1, 3, 5],
        PixelOrder::ChannelsLast => [0, 2, 4, 3, 5, 1],
    };
    image
        .reshape(&[b, c, h / patch, patch, w / patch, patch])?
        .permute(&axes)?
        .reshape(&[b, h / patch * (w / patch), c * patch * patch])
}

/// The inverse of [`patchify`], of a grid of `[rows, columns]` patches.
///
/// # Errors
/// [`TapeError::Shape`] for patches of another number or size.
pub fn unpatchify(
    patches: &Var,
    [rows, columns]: [usize; 2],
    patch: usize,
    order: PixelOrder,
) -> Result<Var, TapeError> {
    let area = patch * patch;
    let channels = patches.shape().last().map_or(0, |len| len / area);
    let batch = patches.shape()[0];
    let (apart, axes) = match order {
        PixelOrder::ChannelsFirst => {
            let apart = [batch, rows, columns, channels, patch, patch];
            (apart, [0, 3, 1, 4, 2, 5])
        }
        PixelOrder::ChannelsLast => {
            let apart = [batch, rows, columns, patch, patch, channels];
            (apart, [0, 5, 1, 3, 2, 4])
        }
    };
    patches.reshape(&apart)?.permute(&axes)?.reshape(&[
        batch,
        channels,
        rows * patch,
        columns * patch,
    ])
}

impl PatchLoss {
    /// The error of each patch of f32[B, N, L], averaged over its pixels: f32[B, N].
    ///
    /// # Errors
    /// [`TapeError::Shape`] for patches of different shapes.
    pub fn of_each(self, prediction: &Var, target: &Var) -> Result<Var, TapeError> {
        let target = match self {
            PatchLoss::SquaredOfNormalised => normalised(target)?,
            _ => target.clone(),
        };
        let error = prediction.sub(&target)?;
        let error = match self {
            PatchLoss::Absolute => error.abs()?,
            PatchLoss::SquaredByValue => {
                let square = error.mul(&error)?;
                square.div(&target.affine(-1.0, WEIGHT_OF_WHITE)?)?
            }
            _ => error.mul(&error)?,
        };
        let shape = error.shape();
        error.mean(2..3)?.reshape(&shape[..2])
    }
}

/// Patches f32[B, N, L] less their mean, over √(their unbiased variance + 1e-6).
fn normalised(patches: &Var) -> Result<Var, TapeError> {
    let others = patches.shape().last().map_or(1, |&len| len.max(2) - 1);
    let centred = patches.sub(&patches.mean(2..3)?)?;
    let variance = centred.mul(&centred)?.sum(2..3)?;
    let deviation = variance
        .affine(1.0 / others as f32, VARIANCE_EPS)?
        .unary(UnaryKind::Sqrt)?;
    centred.div(&deviation)
}
