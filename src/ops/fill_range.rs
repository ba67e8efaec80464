//! `fill_range`: the smallest and the largest element, between which the grey that
//! fills masked pixels is drawn (SPEC.md A.6.2).

use super::{DType, Lower, Op, Operand, TapeError, Tensor, Var, shape_error};

/// Elements that one workgroup reduces.
const PIECE: usize = 4096;

/// Input: a non-empty f32. Outputs: minimum f32[1], maximum f32[1].
#[derive(Debug)]
struct FillRange;

/// Minima of the pieces of `x[0]` and maxima of those of `x[1]`.
fn pass(cx: &mut Lower, x: [&Operand; 2], y: [&Operand; 2], piece: usize) -> Result<(), TapeError> {
    let count = x[0].tensor.len();
    let pieces = count.div_ceil(piece);
    let (dispatch, lane) = cx.in_fours("fill_range/min_max", &[count, piece]);
    dispatch
        .bind("low", x[0])
        .bind("high", x[1])
        .bind("minimum", y[0])
        .bind("maximum", y[1])
        .u32("count", count / lane)
        .u32("piece", piece / lane)
        .u32("pieces", pieces)
        .linear_groups(pieces)
}

impl Op for FillRange {
    fn name(&self) -> &'static str {
        "fill_range"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        match inputs {
            [x] if x.dtype == DType::F32 && !x.is_empty() => {
                Ok(vec![Tensor::f32(&[1]), Tensor::f32(&[1])])
            }
            _ => Err(shape_error("fill_range", inputs, "a non-empty f32")),
        }
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let (x, low, high) = (cx.input(0), cx.output(0), cx.output(1));
        let count = x.tensor.len();
        if count <= PIECE {
            return pass(cx, [&x, &x], [&low, &high], count);
        }
        let pieces = count.div_ceil(PIECE);
        let lows = cx.workspace(Tensor::f32(&[pieces]));
        let highs = cx.workspace(Tensor::f32(&[pieces]));
        pass(cx, [&x, &x], [&lows, &highs], PIECE)?;
        pass(cx, [&lows, &highs], [&low, &high], pieces)
    }
}

impl Var {
    /// The smallest and the largest of all elements: two `f32[1]`. No gradient.
    ///
    /// Errors: not f32, or empty.
    pub fn batch_min_max(&self) -> Result<(Var, Var), TapeError> {
        match <[Var; 2]>::try_from(Var::record(FillRange, &[self])?) {
            Ok([low, high]) => Ok((low, high)),
            Err(_) => Err(shape_error("fill_range", &[&self.tensor()], "two outputs")),
        }
    }
}
