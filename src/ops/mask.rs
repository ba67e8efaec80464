//! `mask`: from an attribution map to a mask of the pixels that matter most, and
//! from a mask to a picture of which only they remain (SPEC.md A.6.1, A.6.2).

use super::lower::Planes;
use super::{Backward, DType, Lower, Op, Operand, TapeError, Tensor, Var, shape_error};

/// Channels of a frame: RGB.
const CHANNELS: usize = 3;

/// A plane for each frame of [B, F, H·W] or [B, F, H, W].
fn frames(cx: &Lower, maps: &Operand) -> Planes {
    let count = maps.shape()[0] * maps.shape()[1];
    cx.planes(count, [1, maps.tensor.len() / count])
}

/// Input: f32[B, 3F, H, W]. Output: f32[B, F, H·W].
#[derive(Debug)]
struct FrameMagnitude {
    frames: usize,
}

impl Op for FrameMagnitude {
    fn name(&self) -> &'static str {
        "frame_magnitude"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        match inputs {
            [x] if x.dtype == DType::F32 && !x.is_empty() => match x.shape[..] {
                [b, c, h, w] if c == CHANNELS * self.frames => {
                    Ok(vec![Tensor::f32(&[b, self.frames, h * w])])
                }
                _ => Err(self.wrong(inputs)),
            },
            _ => Err(self.wrong(inputs)),
        }
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let (x, y) = (cx.input(0), cx.output(0));
        let planes = frames(cx, &y);
        cx.in_planes("mask/frame_magnitude", planes)
            .bind("x", &x)
            .bind("y", &y)
            .linear_groups(planes.groups())
    }
}

impl FrameMagnitude {
    fn wrong(&self, inputs: &[&Tensor]) -> TapeError {
        let channels = CHANNELS * self.frames;
        shape_error(
            "frame_magnitude",
            inputs,
            format!("a non-empty f32[B, {channels}, H, W]"),
        )
    }
}

/// Inputs: f32[B, F, N], threshold f32[B, F, 1]. Output: f32[B, F, N].
#[derive(Debug)]
struct AtLeast;

impl Op for AtLeast {
    fn name(&self) -> &'static str {
        "at_least"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        match inputs {
            [x, t] if x.dtype == DType::F32 && t.dtype == DType::F32 && !x.is_empty() => {
                match x.shape[..] {
                    [b, f, _] if t.shape == [b, f, 1] => Ok(vec![(*x).clone()]),
                    _ => Err(shape_error(
                        "at_least",
                        inputs,
                        "f32[B, F, N] and f32[B, F, 1]",
                    )),
                }
            }
            _ => Err(shape_error(
                "at_least",
                inputs,
                "f32[B, F, N] and f32[B, F, 1]",
            )),
        }
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let (x, threshold, y) = (cx.input(0), cx.input(1), cx.output(0));
        let planes = frames(cx, &y);
        cx.in_planes("mask/at_least", planes)
            .bind("x", &x)
            .bind("threshold", &threshold)
            .bind("y", &y)
            .linear_groups(planes.groups())
    }
}

/// Inputs: picture f32[B, 3F, H, W], mask f32[B, F, H·W] or f32[B, F, H, W], fill
/// f32[1]. Output: like the picture.
#[derive(Debug)]
struct MaskFill;

impl Op for MaskFill {
    fn name(&self) -> &'static str {
        "mask_fill"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        let wrong = || {
            shape_error(
                "mask_fill",
                inputs,
                "f32[B, 3F, H, W], a mask f32[B, F, H·W] or f32[B, F, H, W], and a fill f32[1]",
            )
        };
        let [x, mask, fill] = inputs else {
            return Err(wrong());
        };
        let [b, c, h, w] = x.shape[..] else {
            return Err(wrong());
        };
        let frames = c / CHANNELS;
        let floats = inputs.iter().all(|t| t.dtype == DType::F32);
        let masks = mask.shape == [b, frames, h * w] || mask.shape == [b, frames, h, w];
        if !(floats && masks && c == CHANNELS * frames && fill.shape == [1] && !x.is_empty()) {
            return Err(wrong());
        }
        Ok(vec![(*x).clone()])
    }

    fn gradient(&self, cx: &Backward) -> Result<Vec<Option<Var>>, TapeError> {
        // What was kept passes its gradient; what was filled has none.
        let of_picture = match &cx.grads[0] {
            Some(g) if cx.needs[0] => {
                Some(g.mask_fill(&cx.inputs[1], &g.constant_like(&[1], &[0.0]))?)
            }
            _ => None,
        };
        Ok(vec![of_picture, None, None])
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let (x, mask, fill, y) = (cx.input(0), cx.input(1), cx.input(2), cx.output(0));
        let planes = frames(cx, &mask);
        cx.in_planes("mask/mask_fill", planes)
            .bind("x", &x)
            .bind("mask", &mask)
            .bind("fill", &fill)
            .bind("y", &y)
            .linear_groups(planes.groups())
    }
}

impl Var {
    /// How much each pixel of each frame matters: the largest magnitude among the three
    /// channels of a frame of an attribution map. f32[B, 3F, H, W] → f32[B, F, H·W],
    /// F = `frames`. No gradient.
    pub fn frame_magnitude(&self, frames: usize) -> Result<Var, TapeError> {
        Var::record1(FrameMagnitude { frames }, &[self])
    }

    /// 1 where `self`, f32[B, F, N], is at least its row's `threshold`, f32[B, F, 1], else 0.
    /// Equal counts as at least: if most of a row is 0 and so is its threshold, all of
    /// it is 1. No gradient.
    pub fn at_least(&self, threshold: &Var) -> Result<Var, TapeError> {
        Var::record1(AtLeast, &[self, threshold])
    }

    /// `self`, f32[B, 3F, H, W], where the mask is 1, the one value `fill`, `f32[1]`,
    /// elsewhere. `mask` is 0 or 1, f32[B, F, H·W] or f32[B, F, H, W]: the three channels
    /// of a frame share it. The gradient goes to `self` alone.
    pub fn mask_fill(&self, mask: &Var, fill: &Var) -> Result<Var, TapeError> {
        Var::record1(MaskFill, &[self, mask, fill])
    }
}
