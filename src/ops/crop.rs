//! `crop`: a square window of each picture (RAD's and SODA's random crop, the centre
//! crop of the encoders; SPEC.md A.3). Agents gather their windows straight from the store,
//! [`Var::stack_windows`](super::Var::stack_windows); this is for pictures that are none.

use super::var::Source;
use super::{Backward, DType, Lower, Op, TapeError, Tensor, Var, shape_error};

fn lower(
    cx: &mut Lower,
    key: &str,
    names: [&'static str; 2],
    picture: &[usize],
    size: usize,
) -> Result<(), TapeError> {
    let (a, offsets, b) = (cx.input(0), cx.input(1), cx.output(0));
    let count = b.tensor.len();
    cx.dispatch(key)
        .bind_part(names[0], &a, count)
        .bind("offsets", &offsets)
        .bind(names[1], &b)
        .u32("channels", picture[1])
        .u32("height", picture[2])
        .u32("width", picture[3])
        .u32("size", size)
        .u32("count", count)
        .linear(count)
}

/// Inputs: x f32[B, C, H, W], offsets u32[B, 2]. Output: f32[B, C, size, size].
#[derive(Debug)]
struct Crop {
    size: usize,
}

impl Op for Crop {
    fn name(&self) -> &'static str {
        "crop"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        match inputs {
            [x, o]
                if x.dtype == DType::F32
                    && x.shape.len() == 4
                    && !x.is_empty()
                    && (1..=x.shape[2].min(x.shape[3])).contains(&self.size)
                    && o.dtype == DType::U32
                    && o.shape == [x.shape[0], 2] =>
            {
                Ok(vec![Tensor::f32(&[
                    x.shape[0], x.shape[1], self.size, self.size,
                ])])
            }
            _ => Err(shape_error(
                "crop",
                inputs,
                format!(
                    "f32[B, C, H, W], offsets u32[B, 2], and H and W of at least the window's {} pixels (at least 1)",
                    self.size
                ),
            )),
        }
    }

    fn gradient(&self, cx: &Backward) -> Result<Vec<Option<Var>>, TapeError> {
        let dx = match &cx.grads[0] {
            Some(g) if cx.needs[0] => {
                let op = CropGradient {
                    shape: cx.inputs[0].shape(),
                };
                Some(Var::record1(op, &[g, &cx.inputs[1]])?)
            }
            _ => None,
        };
        Ok(vec![dx, None])
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let shape = cx.input(0).tensor.shape;
        lower(cx, "crop/forward", ["x", "y"], &shape, self.size)
    }
}

/// Inputs: g f32[B, C, S, S], offsets u32[B, 2]. Output: dx of `shape`.
#[derive(Debug)]
struct CropGradient {
    shape: Vec<usize>,
}

impl Op for CropGradient {
    fn name(&self) -> &'static str {
        "crop_gradient"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        match inputs {
            [g, _] if g.shape.len() == 4 && g.shape[..2] == self.shape[..2] => {
                Ok(vec![Tensor::f32(&self.shape)])
            }
            _ => Err(shape_error(
                "crop_gradient",
                inputs,
                "the gradient of a window, offsets",
            )),
        }
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let size = cx.input(0).shape()[2];
        lower(cx, "crop/gradient", ["g", "dx"], &self.shape, size)
    }
}

impl Var {
    /// A window of `size`×`size` pixels of each picture of f32[B, C, H, W], from the
    /// row and column that `offsets` names: u32[B, 2], (y, x) rows first, in
    /// 0..=H − size and 0..=W − size (larger ones count as the last that fit).
    /// Gradients come back padded with zeros; none flows to the offsets.
    pub fn crop(&self, offsets: &Var, size: usize) -> Result<Var, TapeError> {
        Var::record1(Crop { size }, &[self, offsets])
    }

    /// The middle `size`×`size` pixels of f32[B, C, H, W]: it starts at row
    /// (H − size) / 2 and column (W − size) / 2, rounded down.
    pub fn center_crop(&self, size: usize) -> Result<Var, TapeError> {
        let shape = self.shape();
        let middle: Vec<u32> = match shape[..] {
            [batch, _, height, width] => {
                let start = |side: usize| (side.saturating_sub(size) / 2) as u32;
                [start(height), start(width)].repeat(batch)
            }
            // Not pictures: `crop` says so.
            _ => vec![0; 2],
        };
        let offsets = Var::source(
            &self.graph,
            Tensor::u32(&[middle.len() / 2, 2]),
            Source::Constant(bytemuck::cast_slice::<u32, u8>(&middle).to_vec().into()),
        );
        self.crop(&offsets, size)
    }
}
