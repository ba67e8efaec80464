//! `clip_norm`: gradients scaled down to a largest norm (SPEC.md D.4).

use super::state::is_flat_f32;
use super::{Lower, Op, TapeError, Tensor, Var, shape_error};

/// Elements whose squares one workgroup sums.
const PIECE: usize = 4096;

/// Input: f32[N]. Outputs: clipped f32[N], norm f32[1].
#[derive(Debug)]
struct ClipNorm(f32);

impl Op for ClipNorm {
    fn name(&self) -> &'static str {
        "clip_norm"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        match inputs {
            [x] if is_flat_f32(x, x.len()) => Ok(vec![Tensor::f32(&[x.len()]), Tensor::f32(&[1])]),
            _ => Err(shape_error("clip_norm", inputs, "a flat, non-empty f32")),
        }
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let (x, y, norm) = (cx.input(0), cx.output(0), cx.output(1));
        let count = x.tensor.len();
        let pieces = count.div_ceil(PIECE);
        let largest = cx.workspace(Tensor::f32(&[pieces]));
        let squares = cx.workspace(Tensor::f32(&[pieces]));
        cx.dispatch("clip_norm/pieces")
            .bind("x", &x)
            .bind("largest", &largest)
            .bind("squares", &squares)
            .u32("count", count)
            .u32("piece", PIECE)
            .u32("pieces", pieces)
            .linear_groups(pieces)?;
        cx.dispatch("clip_norm/join")
            .bind("largest", &largest)
            .bind("squares", &squares)
            .bind("norm", &norm)
            .u32("pieces", pieces)
            .linear_groups(1)?;
        cx.dispatch("clip_norm/scale")
            .bind("x", &x)
            .bind("norm", &norm)
            .bind("y", &y)
            .u32("count", count)
            .f32("max_norm", self.0)
            .linear(count)
    }

    /// The clipped elements are computed from the norm.
    fn outputs_share_buffer(&self) -> bool {
        false
    }
}

impl Var {
    /// `self`, `f32[N]` (as a rule the pack of all gradients), times
    /// min(1, `max_norm` / (‖self‖₂ + 1e-6)); and ‖self‖₂ itself, `f32[1]`.
    ///
    /// The norm is right for elements of any finite size: nothing is squared before it
    /// is scaled. No gradient. Errors: not a flat f32, or
    /// `max_norm` not finite and positive.
    pub fn clip_norm(&self, max_norm: f32) -> Result<(Var, Var), TapeError> {
        if !(max_norm.is_finite() && max_norm > 0.0) {
            return Err(TapeError::Option {
                op: "clip_norm",
                message: format!("max_norm is {max_norm}; it must be finite and positive"),
            });
        }
        let outputs = Var::record(ClipNorm(max_norm), &[self])?;
        match <[Var; 2]>::try_from(outputs) {
            Ok([clipped, norm]) => Ok((clipped, norm)),
            Err(_) => Err(shape_error("clip_norm", &[&self.tensor()], "two outputs")),
        }
    }
}
