//! `bce_with_logits`: binary cross-entropy of sigmoid(logits).

use super::reduce::{join_pieces, pieces_of};
use super::{Backward, DType, Lower, Op, TapeError, Tensor, Var, shape_error};

/// logits, targets → mean cross-entropy.
#[derive(Debug)]
struct BceWithLogits;

/// (elements of a channel, neighbouring channels that share their targets), or
/// `None` where the targets do not fit.
fn sharing(logits: &Tensor, targets: &Tensor) -> Option<(usize, usize)> {
    if logits.shape == targets.shape {
        return Some((logits.len(), 1));
    }
    match (&logits.shape[..], &targets.shape[..]) {
        ([b, c, h, w], [tb, tc, th, tw])
            if (b, h, w) == (tb, th, tw) && *tc > 0 && c.is_multiple_of(*tc) =>
        {
            Some((h * w, c / tc))
        }
        _ => None,
    }
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
                    && sharing(x, t).is_some() =>
            {
                Ok(vec![Tensor::f32(&[1])])
            }
            _ => Err(shape_error(
                "bce_with_logits",
                inputs,
                "f32 logits and targets of one shape, not empty, or [B, C, H, W] and [B, C/r, H, W]",
            )),
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
        let count = x.tensor.len();
        let (plane, shared_by) = sharing(&x.tensor, &targets.tensor).unwrap_or((count, 1));
        let (piece, pieces, partial) = pieces_of(cx, count, &y);
        let mean = 1.0 / count as f32;
        cx.dispatch("bce_with_logits/forward")
            .bind("x", &x)
            .bind("targets", &targets)
            .bind("y", &partial)
            .u32("count", count)
            .u32("piece", piece)
            .u32("pieces", pieces)
            .u32("plane", plane)
            .u32("shared_by", shared_by)
            .f32("scale", if pieces == 1 { mean } else { 1.0 })
            .linear_groups(pieces)?;
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
        let count = x.tensor.len();
        let (plane, shared_by) = sharing(&x.tensor, &targets.tensor).unwrap_or((count, 1));
        cx.dispatch("bce_with_logits/gradient")
            .bind("g", &g)
            .bind("x", &x)
            .bind("targets", &targets)
            .bind("dx", &dx)
            .u32("count", count)
            .u32("plane", plane)
            .u32("shared_by", shared_by)
            .f32("scale", 1.0 / count as f32)
            .linear(count)
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
