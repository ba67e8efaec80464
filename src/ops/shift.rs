//! `shift`: the random shift of DrQ, SVEA and SGQN (SPEC.md A.3, J): pictures padded
//! by repeating their edges, then cut to their own size at a given place.

use super::{Backward, DType, Lower, Op, TapeError, Tensor, Var, shape_error};

fn infer(op: &'static str, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
    match inputs {
        [x, o]
            if x.dtype == DType::F32
                && x.shape.len() == 4
                && !x.is_empty()
                && o.dtype == DType::U32
                && o.shape == [x.shape[0], 2] =>
        {
            Ok(vec![(*x).clone()])
        }
        _ => Err(shape_error(
            op,
            inputs,
            "f32[B, C, H, W], offsets u32[B, 2]",
        )),
    }
}

fn lower(cx: &mut Lower, key: &str, names: [&'static str; 2], pad: usize) -> Result<(), TapeError> {
    let (a, offsets, b) = (cx.input(0), cx.input(1), cx.output(0));
    let count = a.tensor.len();
    cx.dispatch(key)
        .bind(names[0], &a)
        .bind("offsets", &offsets)
        .bind(names[1], &b)
        .u32("channels", a.shape()[1])
        .u32("height", a.shape()[2])
        .u32("width", a.shape()[3])
        .u32("pad", pad)
        .u32("count", count)
        .linear(count)
}

/// Inputs: x f32[B, C, H, W], offsets u32[B, 2]. Output shaped like x.
#[derive(Debug)]
struct Shift {
    pad: usize,
}

impl Op for Shift {
    fn name(&self) -> &'static str {
        "shift"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        infer("shift", inputs)
    }

    fn gradient(&self, cx: &Backward) -> Result<Vec<Option<Var>>, TapeError> {
        let dx = match &cx.grads[0] {
            Some(g) if cx.needs[0] => Some(Var::record1(
                ShiftGradient { pad: self.pad },
                &[g, &cx.inputs[1]],
            )?),
            _ => None,
        };
        Ok(vec![dx, None])
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        lower(cx, "shift/forward", ["x", "y"], self.pad)
    }
}

/// Inputs: g f32[B, C, H, W], offsets. Output: dx.
#[derive(Debug)]
struct ShiftGradient {
    pad: usize,
}

impl Op for ShiftGradient {
    fn name(&self) -> &'static str {
        "shift_gradient"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        infer("shift_gradient", inputs)
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        lower(cx, "shift/gradient", ["g", "dx"], self.pad)
    }
}

impl Var {
    /// Moves each picture of f32[B, C, H, W]: padded by `pad` pixels on every side by
    /// repeating the edge, then cut to H×W from the row and column that `offsets`
    /// names: u32[B, 2], (x, y) in 0..=2·pad, where `pad` is no shift; larger offsets
    /// count as 2·pad. All channels of a sample move together. No gradient flows to
    /// the offsets.
    ///
    /// Source: SPEC.md A.3 and J; exact slicing, not resampling.
    pub fn shift(&self, offsets: &Var, pad: usize) -> Result<Var, TapeError> {
        if pad > usize::from(u16::MAX) {
            return Err(TapeError::Option {
                op: "shift",
                message: format!(
                    "got a padding of {pad} pixels; expected at most {}",
                    u16::MAX
                ),
            });
        }
        Var::record1(Shift { pad }, &[self, offsets])
    }
}
