//! `bce_with_logits`: binary cross-entropy of sigmoid(logits).

use super::lower::Planes;
use super::reduce::join_pieces;
use super::{Backward, DType, Lower, Op, Operand, TapeError, Tensor, Var, shape_error};

/// logits, targets → mean cross-entropy.
#[derive(Debug)]
struct BceWithLogits;

/// How targets lie below logits.
#[derive(Debug, Clone, Copy)]
struct Sharing {
    /// Planes of targets.
    planes: usize,
    /// Elements of a plane.
    pixels: usize,
    /// Neighbouring channels with the same targets.
    channels: usize,
}

impl Sharing {
    /// `None` where the targets do not fit.
    fn of(logits: &Tensor, targets: &Tensor) -> Option<Sharing> {
        if logits.shape == targets.shape {
            return Some(Sharing {
                planes: 1,
                pixels: logits.len(),
                channels: 1,
            });
        }
        match (&logits.shape[..], &targets.shape[..]) {
            ([b, c, h, w], [tb, tc, th, tw])
                if (b, h, w) == (tb, th, tw) && *tc > 0 && c.is_multiple_of(*tc) =>
            {
                Some(Sharing {
                    planes: b * tc,
                    pixels: h * w,
                    channels: c / tc,
                })
            }
            _ => None,
        }
    }
}

fn wrong(inputs: &[&Tensor]) -> TapeError {
    shape_error(
        "bce_with_logits",
        inputs,
        "f32 logits and targets of one shape, not empty, or [B, C, H, W] and [B, C/r, H, W]",
    )
}

/// The planes of the targets, and how many channels of logits lie over each.
fn shared(cx: &Lower, x: &Operand, targets: &Operand) -> Result<(Planes, usize), TapeError> {
    let sharing = Sharing::of(&x.tensor, &targets.tensor)
        .ok_or_else(|| wrong(&[&x.tensor, &targets.tensor]))?;
    let planes = cx.planes(sharing.planes, [1, sharing.pixels]);
    Ok((planes, sharing.channels))
}

impl Op for BceWithLogits {
    fn name(&self) -> &'static str {
        "bce_with_logits"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        match inputs {
            [x, t]
                if x.dtype == DType::F32
                    && t.dtype == DType::F32
                    && !x.is_empty()
                    && Sharing::of(x, t).is_some() =>
            {
                Ok(vec![Tensor::f32(&[1])])
            }
            _ => Err(wrong(inputs)),
        }
    }

    fn gradient(&self, cx: &Backward) -> Result<Vec<Option<Var>>, TapeError> {
        let dx = match &cx.grads[0] {
            Some(g) if cx.needs[0] => Some(Var::record1(
                BceGradient,
                &[g, &cx.inputs[0], &cx.inputs[1]],
            )?),
            _ => None,
        };
        Ok(vec![dx, None])
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let (x, targets, y) = (cx.input(0), cx.input(1), cx.output(0));
        let (planes, shared_by) = shared(cx, &x, &targets)?;
        let mean = 1.0 / x.tensor.len() as f32;
        let partial = match planes.groups() {
            1 => y.clone(),
            pieces => cx.workspace(Tensor::f32(&[pieces])),
        };
        let joined = partial.tensor.len() > 1;
        cx.in_planes("bce_with_logits/forward", planes)
            .bind("x", &x)
            .bind("targets", &targets)
            .bind("y", &partial)
            .u32("shared_by", shared_by)
            .f32("scale", if joined { 1.0 } else { mean })
            .linear_groups(planes.groups())?;
        join_pieces(cx, &partial, &y, mean)
    }
}

/// Inputs: g\[1\], logits, targets. Output: the gradient of the logits.
#[derive(Debug)]
struct BceGradient;

impl Op for BceGradient {
    fn name(&self) -> &'static str {
        "bce_with_logits_gradient"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        Ok(vec![inputs[1].clone()])
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let (g, x, targets, dx) = (cx.input(0), cx.input(1), cx.input(2), cx.output(0));
        let (planes, shared_by) = shared(cx, &x, &targets)?;
        cx.in_planes("bce_with_logits/gradient", planes)
            .bind("g", &g)
            .bind("x", &x)
            .bind("targets", &targets)
            .bind("dx", &dx)
            .u32("shared_by", shared_by)
            .f32("scale", 1.0 / x.tensor.len() as f32)
            .linear_groups(planes.groups())
    }
}

impl Var {
    /// Mean over all elements of the binary cross-entropy of sigmoid(self) and
    /// `targets` in 0..=1: f32\[1\]. The targets have the logits' shape; or, for
    /// logits f32\[B, C, H, W\], f32\[B, C/r, H, W\], where r neighbouring channels share
    /// a target (SGQN: 9 channels, 3 frame masks; SPEC.md A.6.4). The gradient flows
    /// into the logits only.
    ///
    /// # Errors
    /// [`TapeError::Shape`] for other shapes.
    pub fn bce_with_logits(&self, targets: &Var) -> Result<Var, TapeError> {
        Var::record1(BceWithLogits, &[self, targets])
    }
}
