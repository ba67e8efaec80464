//! `texture_to_image`: a texture of the caller's as a picture on the tape.

use super::var::Source;
use super::{Backward, Lower, Op, TapeError, Tensor, Var, shape_error};

/// The longest side: positions, products of two sides, must fit u32.
const LONGEST_SIDE: usize = 1 << 14;

/// Input: a texture, f32[H, W, 4]. Output: f32[1, 3, height, width].
#[derive(Debug)]
struct TextureToImage {
    height: usize,
    width: usize,
}

impl Op for TextureToImage {
    fn name(&self) -> &'static str {
        "texture_to_image"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        let sides = 1..=LONGEST_SIDE;
        match inputs {
            [t] if t.shape.len() == 3
                && [t.shape[0], t.shape[1], self.height, self.width]
                    .iter()
                    .all(|side| sides.contains(side)) =>
            {
                Ok(vec![Tensor::f32(&[1, 3, self.height, self.width])])
            }
            _ => Err(shape_error(
                "texture_to_image",
                inputs,
                format!(
                    "a texture and an image with sides of 1 to {LONGEST_SIDE} (asked for {}×{})",
                    self.height, self.width
                ),
            )),
        }
    }

    /// Nothing on the tape made the texture.
    fn gradient(&self, _cx: &Backward) -> Result<Vec<Option<Var>>, TapeError> {
        Ok(vec![None])
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let (texture, y) = (cx.input(0), cx.output(0));
        cx.dispatch("texture_to_image/texture_to_image")
            .bind("texture", &texture)
            .bind("y", &y)
            .u32("in_height", texture.shape()[0])
            .u32("in_width", texture.shape()[1])
            .u32("out_height", self.height)
            .u32("out_width", self.width)
            .linear(self.height * self.width)
    }
}

impl Var {
    /// Red, green and blue of a texture (`Tape::texture`) as f32[1, 3, H, W], each
    /// texel value in 0..1 times 255, clamped to 0..255. An sRGB view gives linear
    /// light; use a view without the sRGB suffix for the stored numbers.
    pub fn texture_to_image(&self) -> Result<Var, TapeError> {
        let shape = self.shape();
        self.texture_to_image_sized(
            shape.first().copied().unwrap_or(0),
            shape.get(1).copied().unwrap_or(0),
        )
    }

    /// [`Var::texture_to_image`] at another size, f32[1, 3, height, width]: each pixel is
    /// the mean of the texels under it, weighted by area.
    pub fn texture_to_image_sized(&self, height: usize, width: usize) -> Result<Var, TapeError> {
        let is_texture = matches!(
            self.graph.borrow().values[self.id].source,
            Source::Texture(_)
        );
        if !is_texture {
            return Err(shape_error(
                "texture_to_image",
                &[&self.tensor()],
                "a texture, made by Tape::texture",
            ));
        }
        Var::record1(TextureToImage { height, width }, &[self])
    }
}
