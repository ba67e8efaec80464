//! `bytes_to_image`: stored bytes as numbers.

use super::{Backward, DType, Lower, Op, TapeError, Tensor, Var, shape_error};

/// Input: u8 of any shape. Output: f32 of that shape.
#[derive(Debug)]
struct BytesToImage;

impl Op for BytesToImage {
    fn name(&self) -> &'static str {
        "bytes_to_image"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        match inputs {
            [x] if x.dtype == DType::U8 && !x.is_empty() => Ok(vec![Tensor::f32(&x.shape)]),
            _ => Err(shape_error(
                "bytes_to_image",
                inputs,
                "u8 with at least one element",
            )),
        }
    }

    /// Bytes have no gradient.
    fn gradient(&self, _cx: &Backward) -> Result<Vec<Option<Var>>, TapeError> {
        Ok(vec![None])
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let (x, y) = (cx.input(0), cx.output(0));
        let count = x.tensor.len();
        cx.dispatch("bytes_to_image/bytes_to_image")
            .bind("x", &x)
            .bind("y", &y)
            .u32("count", count)
            .linear(count.div_ceil(4))
    }
}

impl Var {
    /// u8[B, C, H, W] (or any shape of bytes) as f32 of that shape, 0..255.
    pub fn bytes_to_image(&self) -> Result<Var, TapeError> {
        Var::record1(BytesToImage, &[self])
    }
}
