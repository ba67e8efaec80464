//! `flip`: images mirrored left to right, some samples and others not.

use super::{Backward, DType, Lower, Op, TapeError, Tensor, Var, shape_error};

/// x f32[B, C, H, W], mirrored u32[B] → y like x.
#[derive(Debug)]
struct Flip;

impl Op for Flip {
    fn name(&self) -> &'static str {
        "flip"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        match inputs {
            [x, mirrored]
                if x.dtype == DType::F32
                    && x.shape.len() == 4
                    && !x.is_empty()
                    && mirrored.dtype == DType::U32
                    && mirrored.shape == x.shape[..1] =>
            {
                Ok(vec![(*x).clone()])
            }
            _ => Err(shape_error(
                "flip",
                inputs,
                "f32[B, C, H, W] and u32[B], not empty",
            )),
        }
    }

    fn gradient(&self, cx: &Backward) -> Result<Vec<Option<Var>>, TapeError> {
        let flip = |g: &Var| g.flip(&cx.inputs[1]);
        Ok(vec![cx.grads[0].as_ref().map(flip).transpose()?, None])
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let (x, mirrored, y) = (cx.input(0), cx.input(1), cx.output(0));
        let count = y.tensor.len();
        cx.dispatch("flip/flip")
            .bind("x", &x)
            .bind("mirrored", &mirrored)
            .bind("y", &y)
            .u32("count", count)
            .u32("image", count / y.shape()[0])
            .u32("width", y.shape()[3])
            .linear(count)
    }
}

impl Var {
    /// Images f32\[B, C, H, W\], those mirrored left to right for which `mirrored`,
    /// u32\[B\], is not 0.
    ///
    /// # Errors
    /// [`TapeError::Shape`] for other shapes or types.
    pub fn flip(&self, mirrored: &Var) -> Result<Var, TapeError> {
        Var::record1(Flip, &[self, mirrored])
    }
}
