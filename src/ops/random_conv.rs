//! `random_conv`: SVEA's random convolution of observations (SPEC.md A.3).

use super::{Backward, DType, Lower, Op, TapeError, Tensor, Var, shape_error};

/// Colours of a frame.
const COLOURS: usize = 3;
/// Side of a kernel.
const SIDE: usize = 3;

/// Inputs: x f32[B, 3F, H, W], kernels f32[B, 3, 3, 3, 3].
#[derive(Debug)]
struct RandomConv;

impl Op for RandomConv {
    fn name(&self) -> &'static str {
        "random_conv"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        match inputs {
            [x, kernels]
                if x.dtype == DType::F32
                    && x.shape.len() == 4
                    && !x.is_empty()
                    && x.shape[1].is_multiple_of(COLOURS)
                    && kernels.dtype == DType::F32
                    && kernels.shape == [x.shape[0], COLOURS, COLOURS, SIDE, SIDE] =>
            {
                Ok(vec![(*x).clone()])
            }
            _ => Err(shape_error(
                "random_conv",
                inputs,
                "f32[B, 3F, H, W], kernels f32[B, 3, 3, 3, 3]",
            )),
        }
    }

    /// What augments is a constant to everything that depends on it.
    fn gradient(&self, _cx: &Backward) -> Result<Vec<Option<Var>>, TapeError> {
        Ok(vec![None, None])
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let (x, kernels, y) = (cx.input(0), cx.input(1), cx.output(0));
        let count = x.tensor.len() / COLOURS;
        cx.dispatch("random_conv/random_conv")
            .bind("x", &x)
            .bind("kernels", &kernels)
            .bind("y", &y)
            .u32("frames", x.shape()[1] / COLOURS)
            .u32("height", x.shape()[2])
            .u32("width", x.shape()[3])
            .u32("count", count)
            .linear(count)
    }
}

impl Var {
    /// Each sample of f32[B, 3F, H, W] (F frames of three colours, 0..255) under a 3×3
    /// convolution of its own, the same for all its frames: 255·σ(k ∗ x/255), with the
    /// border's pixels repeated. `kernels` f32[B, 3, 3, 3, 3]: result's colour, colour,
    /// row, column; the released code draws them from N(0, 1). No gradient.
    ///
    /// # Errors
    /// [`TapeError::Shape`] for other shapes or types.
    pub fn random_conv(&self, kernels: &Var) -> Result<Var, TapeError> {
        Var::record1(RandomConv, &[self, kernels])
    }
}
