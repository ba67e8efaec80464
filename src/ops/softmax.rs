//! `softmax`: over the last dimension.

use super::{Backward, DType, Lower, Op, TapeError, Tensor, Var, shape_error};

#[derive(Debug)]
struct Softmax;

/// Rows and their length.
fn rows(x: &Tensor) -> (usize, usize) {
    let width = x.shape.last().copied().unwrap_or(1);
    (x.len() / width, width)
}

impl Op for Softmax {
    fn name(&self) -> &'static str {
        "softmax"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        match inputs {
            [x] if x.dtype == DType::F32 && !x.is_empty() && !x.shape.is_empty() => {
                Ok(vec![(*x).clone()])
            }
            _ => Err(shape_error("softmax", inputs, "f32[…, N], not empty")),
        }
    }

    fn gradient(&self, cx: &Backward) -> Result<Vec<Option<Var>>, TapeError> {
        let gradient = |g: &Var| Var::record1(SoftmaxGradient, &[g, &cx.outputs[0]]);
        Ok(vec![cx.grads[0].as_ref().map(gradient).transpose()?])
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let (x, y) = (cx.input(0), cx.output(0));
        let (rows, width) = rows(&x.tensor);
        cx.dispatch("softmax/forward")
            .bind("x", &x)
            .bind("y", &y)
            .u32("rows", rows)
            .u32("width", width)
            .linear_groups(rows)
    }
}

/// Inputs: g, softmax(x). Output: the gradient of x.
#[derive(Debug)]
struct SoftmaxGradient;

impl Op for SoftmaxGradient {
    fn name(&self) -> &'static str {
        "softmax_gradient"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        Ok(vec![inputs[1].clone()])
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let (g, y, dx) = (cx.input(0), cx.input(1), cx.output(0));
        let (rows, width) = rows(&y.tensor);
        cx.dispatch("softmax/gradient")
            .bind("g", &g)
            .bind("y", &y)
            .bind("dx", &dx)
            .u32("rows", rows)
            .u32("width", width)
            .linear_groups(rows)
    }
}

impl Var {
    /// eˣ / Σ eˣ over each row of f32\[…, N\]. Rows of any length, and values of up
    /// to ±1.7e38: the row's maximum is subtracted first, which has to leave finite numbers.
    ///
    /// # Errors
    /// [`TapeError::Shape`] unless `self` is f32 and not empty.
    pub fn softmax(&self) -> Result<Var, TapeError> {
        Var::record1(Softmax, &[self])
    }
}
