//! `resize`: pictures at another size, by nearest neighbour or bilinear. Positions are
//! fractions of integers: they do not depend on how a device rounds.

use super::{Backward, DType, Lower, Op, TapeError, Tensor, Var, shape_error};

/// The longest side: positions, products of two sides, must fit u32.
const LONGEST_SIDE: usize = 1 << 14;

#[derive(Debug, Clone, Copy)]
enum Method {
    Nearest,
    /// Bilinear, half-pixel centres (`align_corners = false`).
    HalfPixel,
    /// Bilinear, corner on corner (`align_corners = true`).
    Aligned,
}

impl Method {
    fn key(self) -> &'static str {
        match self {
            Method::Nearest => "nearest",
            Method::HalfPixel => "half_pixel",
            Method::Aligned => "aligned",
        }
    }
}

fn lower(
    cx: &mut Lower,
    key: &str,
    names: [&'static str; 2],
    from: &[usize],
    to: &[usize],
) -> Result<(), TapeError> {
    let (a, b) = (cx.input(0), cx.output(0));
    let count = b.tensor.len();
    cx.dispatch(key)
        .bind(names[0], &a)
        .bind(names[1], &b)
        .u32("in_height", from[2])
        .u32("in_width", from[3])
        .u32("out_height", to[2])
        .u32("out_width", to[3])
        .u32("count", count)
        .linear(count)
}

/// Input: x f32[B, C, H, W]. Output: f32[B, C, height, width].
#[derive(Debug)]
struct Resize {
    method: Method,
    height: usize,
    width: usize,
}

impl Op for Resize {
    fn name(&self) -> &'static str {
        "resize"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        let sides = 1..=LONGEST_SIDE;
        match inputs {
            [x] if x.dtype == DType::F32
                && x.shape.len() == 4
                && !x.is_empty()
                && [x.shape[2], x.shape[3], self.height, self.width]
                    .iter()
                    .all(|side| sides.contains(side)) =>
            {
                Ok(vec![Tensor::f32(&[
                    x.shape[0],
                    x.shape[1],
                    self.height,
                    self.width,
                ])])
            }
            _ => Err(shape_error(
                "resize",
                inputs,
                format!(
                    "f32[B, C, H, W], and sides of 1 to {LONGEST_SIDE} before and after (asked for {}×{})",
                    self.height, self.width
                ),
            )),
        }
    }

    fn gradient(&self, cx: &Backward) -> Result<Vec<Option<Var>>, TapeError> {
        let Some(g) = &cx.grads[0] else {
            return Ok(vec![None]);
        };
        let op = ResizeGradient {
            method: self.method,
            shape: cx.inputs[0].shape(),
        };
        Ok(vec![Some(Var::record1(op, &[g])?)])
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let (from, to) = (cx.input(0).tensor.shape, cx.output(0).tensor.shape);
        let key = format!("resize/forward.{}", self.method.key());
        lower(cx, &key, ["x", "y"], &from, &to)
    }
}

/// Input: g f32[B, C, height, width]. Output: dx of `shape`.
#[derive(Debug)]
struct ResizeGradient {
    method: Method,
    shape: Vec<usize>,
}

impl Op for ResizeGradient {
    fn name(&self) -> &'static str {
        "resize_gradient"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        match inputs {
            [g] if g.shape.len() == 4 && g.shape[..2] == self.shape[..2] => {
                Ok(vec![Tensor::f32(&self.shape)])
            }
            _ => Err(shape_error(
                "resize_gradient",
                inputs,
                "the gradient of resized pictures",
            )),
        }
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let to = cx.input(0).tensor.shape;
        let key = format!("resize/gradient.{}", self.method.key());
        lower(cx, &key, ["g", "dx"], &self.shape, &to)
    }
}

impl Var {
    /// f32[B, C, H, W] at another size: output row i is source row floor(i·H / height),
    /// columns likewise (PyTorch's `nearest`). Sides of 1 to 16384.
    pub fn resize_nearest(&self, height: usize, width: usize) -> Result<Var, TapeError> {
        let method = Method::Nearest;
        Var::record1(
            Resize {
                method,
                height,
                width,
            },
            &[self],
        )
    }

    /// f32[B, C, H, W] at another size, bilinear. With `align_corners` output row i lies
    /// at source row i·(H − 1) / (height − 1) (0 if height is 1), else at
    /// (i + ½)·H / height − ½, held inside the picture; columns likewise. Nothing is
    /// smoothed when shrinking. Sides of 1 to 16384.
    pub fn resize_bilinear(
        &self,
        height: usize,
        width: usize,
        align_corners: bool,
    ) -> Result<Var, TapeError> {
        let method = if align_corners {
            Method::Aligned
        } else {
            Method::HalfPixel
        };
        Var::record1(
            Resize {
                method,
                height,
                width,
            },
            &[self],
        )
    }
}
