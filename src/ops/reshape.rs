//! `reshape`, and `detach`: the same memory under another shape or without gradient.

use super::{Backward, Lower, Op, TapeError, Tensor, Var, shape_error};

#[derive(Debug)]
struct Reshape {
    shape: Vec<usize>,
    /// Whether gradients stop here.
    detach: bool,
}

impl Op for Reshape {
    fn name(&self) -> &'static str {
        "reshape"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        let wanted: usize = self.shape.iter().product();
        match inputs {
            [x] if x.len() == wanted => Ok(vec![Tensor {
                shape: self.shape.clone(),
                dtype: x.dtype,
            }]),
            _ => Err(shape_error(
                "reshape",
                inputs,
                format!("{wanted} elements for the shape {:?}", self.shape),
            )),
        }
    }

    fn gradient(&self, cx: &Backward) -> Result<Vec<Option<Var>>, TapeError> {
        match &cx.grads[0] {
            Some(g) if !self.detach => Ok(vec![Some(g.reshape(&cx.inputs[0].shape())?)]),
            _ => Ok(vec![None]),
        }
    }

    fn lower(&self, _cx: &mut Lower) -> Result<(), TapeError> {
        Ok(())
    }

    fn is_alias(&self) -> bool {
        true
    }
}

impl Var {
    /// The same elements under another shape.
    pub fn reshape(&self, shape: &[usize]) -> Result<Var, TapeError> {
        Var::record1(
            Reshape {
                shape: shape.to_vec(),
                detach: false,
            },
            &[self],
        )
    }

    /// [B, …] → [B, rest].
    pub fn flatten(&self) -> Result<Var, TapeError> {
        let shape = self.shape();
        let rows = shape.first().copied().unwrap_or(1);
        self.reshape(&[rows, self.len().checked_div(rows).unwrap_or(0)])
    }

    /// The same value, through which no gradient flows.
    pub fn detach(&self) -> Result<Var, TapeError> {
        Var::record1(
            Reshape {
                shape: self.shape(),
                detach: true,
            },
            &[self],
        )
    }
}
