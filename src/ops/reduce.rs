//! `reduce`: sums, means and maxima over neighbouring dimensions, in a fixed order.

use std::ops::Range;

use super::binary::MAX_RANK;
use super::{Backward, BinaryKind, DType, Lower, Op, TapeError, Tensor, Var, shape_error};

/// Rows longer than this are reduced in two passes, in pieces of at most `PIECE` elements.
const LONG: usize = 4096;
const PIECE: usize = 1024;
/// Invocations that keep a device busy. Where there are fewer results, rows are cut into
/// pieces too, of at least `SHORTEST` elements.
const BUSY: usize = 1024;
const SHORTEST: usize = 64;
/// From this length on a whole workgroup reduces one row.
const COOPERATIVE: usize = 128;

/// What is computed of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReduceKind {
    Sum,
    Mean,
    Max,
}

/// Dimensions `axes` of an f32 tensor become 1.
#[derive(Debug)]
struct Reduce {
    kind: ReduceKind,
    axes: Range<usize>,
}

impl Op for Reduce {
    fn name(&self) -> &'static str {
        "reduce"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        match inputs {
            [x] if x.dtype == DType::F32
                && self.axes.start < self.axes.end
                && self.axes.end <= x.shape.len()
                && !x.is_empty() =>
            {
                let mut shape = x.shape.clone();
                shape[self.axes.clone()].fill(1);
                Ok(vec![Tensor::f32(&shape)])
            }
            _ => Err(shape_error(
                "reduce",
                inputs,
                format!("a non-empty f32 with dimensions {:?}", self.axes),
            )),
        }
    }

    fn gradient(&self, cx: &Backward) -> Result<Vec<Option<Var>>, TapeError> {
        let Some(g) = &cx.grads[0] else {
            return Ok(vec![None]);
        };
        let (x, y) = (&cx.inputs[0], &cx.outputs[0]);
        let shape = x.shape();
        if shape.len() > MAX_RANK {
            // More dimensions than broadcasting knows, but three would do.
            let [outer, row, inner] = self.spans(&shape);
            let (rows, one) = ([outer, row, inner], [outer, 1, inner]);
            let (x, y, g) = (x.reshape(&rows)?, y.reshape(&one)?, g.reshape(&one)?);
            let dx = self.gradient_of(&x, &y, &g, 1..2)?;
            return Ok(vec![Some(dx.reshape(&shape)?)]);
        }
        Ok(vec![Some(self.gradient_of(x, y, g, self.axes.clone())?)])
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let (x, y) = (cx.input(0), cx.output(0));
        let [outer, row, inner] = self.spans(x.shape());
        let (name, scale) = match self.kind {
            ReduceKind::Sum => ("sum", 1.0),
            ReduceKind::Mean => ("sum", 1.0 / row as f32),
            ReduceKind::Max => ("max", 1.0),
        };
        let piece = piece([outer, row, inner]);
        if piece == row {
            return reduce_pass(cx, name, &x, &y, [outer, row, inner], row, scale);
        }
        let pieces = row.div_ceil(piece);
        let partial = cx.workspace(Tensor::f32(&[outer, pieces, inner]));
        reduce_pass(cx, name, &x, &partial, [outer, row, inner], piece, 1.0)?;
        reduce_pass(
            cx,
            name,
            &partial,
            &y,
            [outer, pieces, inner],
            pieces,
            scale,
        )
    }
}

impl Reduce {
    /// Elements before, along and behind the dimensions that become 1.
    fn spans(&self, shape: &[usize]) -> [usize; 3] {
        let (start, end) = (self.axes.start, self.axes.end);
        [&shape[..start], &shape[start..end], &shape[end..]].map(|part| part.iter().product())
    }

    /// The gradient of x, of which y is reduced over `axes` and has the gradient g.
    fn gradient_of(&self, x: &Var, y: &Var, g: &Var, axes: Range<usize>) -> Result<Var, TapeError> {
        let shape = x.shape();
        let count: usize = shape[axes.clone()].iter().product();
        match self.kind {
            ReduceKind::Sum => g.broadcast_to(&shape),
            ReduceKind::Mean => g.scale(1.0 / count as f32)?.broadcast_to(&shape),
            ReduceKind::Max => {
                // Ties share the gradient evenly.
                let hit = x.binary(y, BinaryKind::Equal)?;
                let share = g.div(&hit.sum(axes)?)?;
                hit.mul(&share)
            }
        }
    }
}

/// Elements of a row that are reduced at a time: all in one pass, or pieces of it whose
/// results a second pass joins.
fn piece([outer, row, inner]: [usize; 3]) -> usize {
    let mut pieces = match row > LONG {
        true => row.div_ceil(PIECE),
        false => 1,
    };
    // Neighbours in memory that make one row have a workgroup for each anyway.
    if inner > 1 {
        let lane = if inner.is_multiple_of(4) { 4 } else { 1 };
        let busy = BUSY * lane / (outer * inner);
        pieces = pieces.max(busy.min(row / SHORTEST));
    }
    row.div_ceil(pieces)
}

/// One pass of a reduction (`name` is "sum" or "max"; the result is multiplied by
/// `scale`): x[outer, row, inner] → y[outer, ⌈row/piece⌉, inner].
pub(super) fn reduce_pass(
    cx: &mut Lower,
    name: &str,
    x: &super::Operand,
    y: &super::Operand,
    [outer, row, inner]: [usize; 3],
    piece: usize,
    scale: f32,
) -> Result<(), TapeError> {
    let pieces = row.div_ceil(piece);
    let count = outer * pieces * inner;
    // Neighbouring lanes read neighbouring elements: along the row if it is
    // contiguous and long, else across rows.
    let cooperative = inner == 1 && piece >= COOPERATIVE;
    let (dispatch, lane) = match cooperative {
        true => (cx.dispatch(&format!("reduce/group.{name}")), 1),
        false => cx.in_fours(&format!("reduce/lane.{name}"), &[inner]),
    };
    let count = count / lane;
    let dispatch = dispatch
        .bind("x", x)
        .bind("y", y)
        .u32("row", row)
        .u32("inner", inner / lane)
        .u32("piece", piece)
        .u32("pieces", pieces)
        .u32("count", count)
        .f32("scale", scale);
    if cooperative {
        dispatch.linear_groups(count)
    } else {
        dispatch.linear(count)
    }
}

/// How an operation that reduces `count` elements to the one of `y` splits them:
/// (elements of a piece, pieces, where their results go). One piece goes to `y`.
pub(super) fn pieces_of(
    cx: &mut Lower,
    count: usize,
    y: &super::Operand,
) -> (usize, usize, super::Operand) {
    if count <= LONG {
        return (count, 1, y.clone());
    }
    let pieces = count.div_ceil(PIECE);
    (PIECE, pieces, cx.workspace(Tensor::f32(&[pieces])))
}

/// Sums (times scale) the results of pieces, unless they are in `y` already.
pub(super) fn join_pieces(
    cx: &mut Lower,
    partial: &super::Operand,
    y: &super::Operand,
    scale: f32,
) -> Result<(), TapeError> {
    if partial.same_memory(y, 0) {
        return Ok(());
    }
    let pieces = partial.tensor.len();
    reduce_pass(cx, "sum", partial, y, [1, pieces, 1], pieces, scale)
}

impl Var {
    fn reduce(&self, kind: ReduceKind, axes: Range<usize>) -> Result<Var, TapeError> {
        Var::record1(Reduce { kind, axes }, &[self])
    }

    /// Sum over dimensions `axes`, which become 1.
    pub fn sum(&self, axes: Range<usize>) -> Result<Var, TapeError> {
        self.reduce(ReduceKind::Sum, axes)
    }

    /// Mean over dimensions `axes`, which become 1.
    pub fn mean(&self, axes: Range<usize>) -> Result<Var, TapeError> {
        self.reduce(ReduceKind::Mean, axes)
    }

    /// Maximum over dimensions `axes`, which become 1.
    pub fn max(&self, axes: Range<usize>) -> Result<Var, TapeError> {
        self.reduce(ReduceKind::Max, axes)
    }

    /// Mean over everything: a tensor of shape `[1]`.
    pub fn mean_all(&self) -> Result<Var, TapeError> {
        self.reshape(&[self.len()])?.mean(0..1)
    }

    /// Sum over everything: a tensor of shape `[1]`.
    pub fn sum_all(&self) -> Result<Var, TapeError> {
        self.reshape(&[self.len()])?.sum(0..1)
    }
}
