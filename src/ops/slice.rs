//! `slice`: a range along one axis.

use std::ops::Range;

use super::{Backward, DType, Lower, Op, TapeError, Tensor, Var, shape_error};

#[derive(Debug)]
struct Slice {
    axis: usize,
    range: Range<usize>,
}

/// The gradient of a slice: zeros around it, so that dimension `axis` has `size`.
#[derive(Debug)]
struct Pad {
    axis: usize,
    size: usize,
    start: usize,
}

/// Elements from dimension `axis` on, and from the dimension after it on.
fn columns(tensor: &Tensor, axis: usize) -> (usize, usize) {
    let inner = tensor.shape[axis + 1..].iter().product();
    (tensor.shape[axis] * inner, inner)
}

impl Op for Slice {
    fn name(&self) -> &'static str {
        "slice"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        let Range { start, end } = self.range;
        match inputs {
            [x] if x.dtype == DType::F32
                && !x.is_empty()
                && self.axis < x.shape.len()
                && start < end
                && end <= x.shape[self.axis] =>
            {
                let mut shape = x.shape.clone();
                shape[self.axis] = end - start;
                Ok(vec![Tensor::f32(&shape)])
            }
            _ => {
                let expected = format!(
                    "an f32 with the non-empty range {start}..{end} in dimension {}",
                    self.axis
                );
                Err(shape_error("slice", inputs, expected))
            }
        }
    }

    fn gradient(&self, cx: &Backward) -> Result<Vec<Option<Var>>, TapeError> {
        let pad = |g: &Var| {
            let pad = Pad {
                axis: self.axis,
                size: cx.inputs[0].shape()[self.axis],
                start: self.range.start,
            };
            Var::record1(pad, &[g])
        };
        Ok(vec![cx.grads[0].as_ref().map(pad).transpose()?])
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let (x, y) = (cx.input(0), cx.output(0));
        let (whole, inner) = columns(&x.tensor, self.axis);
        let (width, start) = (self.range.len() * inner, self.range.start * inner);
        let (dispatch, lane) = cx.in_fours("slice/slice", &[whole, width, start]);
        dispatch
            .bind_part("x", &x, y.tensor.len())
            .bind("y", &y)
            .u32("whole", whole / lane)
            .u32("width", width / lane)
            .u32("start", start / lane)
            .lots(y.tensor.len() / lane)
    }
}

impl Op for Pad {
    fn name(&self) -> &'static str {
        "slice_gradient"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        let mut shape = inputs[0].shape.clone();
        shape[self.axis] = self.size;
        Ok(vec![Tensor::f32(&shape)])
    }

    fn gradient(&self, cx: &Backward) -> Result<Vec<Option<Var>>, TapeError> {
        let range = self.start..self.start + cx.inputs[0].shape()[self.axis];
        let slice = cx.grads[0].as_ref().map(|g| g.slice(self.axis, range));
        Ok(vec![slice.transpose()?])
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let (x, y) = (cx.input(0), cx.output(0));
        let (whole, inner) = columns(&y.tensor, self.axis);
        let (width, start) = (x.shape()[self.axis] * inner, self.start * inner);
        let (dispatch, lane) = cx.in_fours("slice/pad", &[whole, width, start]);
        dispatch
            .bind("x", &x)
            .bind("y", &y)
            .u32("whole", whole / lane)
            .u32("width", width / lane)
            .u32("start", start / lane)
            .lots(y.tensor.len() / lane)
    }
}

impl Var {
    /// Indices `range` of dimension `axis` of an f32 tensor; the other dimensions
    /// stay whole.
    ///
    /// # Errors
    /// [`TapeError::Shape`] if there is no such dimension, or the range is empty or
    /// reaches beyond it.
    pub fn slice(&self, axis: usize, range: Range<usize>) -> Result<Var, TapeError> {
        Var::record1(Slice { axis, range }, &[self])
    }
}
