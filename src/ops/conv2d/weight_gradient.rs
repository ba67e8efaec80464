//! The gradient of a convolution's weights: which kernel, cut into how many pieces.

use super::super::lower::work;
use super::super::{Lower, Op, Operand, TapeError, Tensor, shape_error};
use super::correlation::{Tile, candidates};
use super::{Conv2dOptions, Sizes, pixels_as_steps};
use crate::gpu::Capabilities;

/// Invocations of a workgroup of `conv2d/weight_gradient`, taps of its tile.
const LANES: usize = 32;
const TAPS: usize = 9;
/// Workgroups that the sum over pixels is cut into pieces for: of 32 lanes, and of 8.
const GROUPS: usize = 512;
const WINDOW_GROUPS: usize = 32;
/// Shortest piece (pixels) worth a workgroup, and most pieces.
const SHORTEST_PIECE: usize = 512;
const MOST_PIECES: usize = 64;

/// Inputs: g[B, M, OH, OW], x. Output like w.
#[derive(Debug)]
pub(super) struct WeightGradient {
    pub options: Conv2dOptions,
    pub sizes: Sizes,
}

impl Op for WeightGradient {
    fn name(&self) -> &'static str {
        "conv2d_weight_gradient"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        match inputs {
            [g, x] if g.shape == self.sizes.output() && x.shape == self.sizes.input() => {
                Ok(vec![Tensor::f32(&self.sizes.weight())])
            }
            _ => Err(shape_error(
                "conv2d_weight_gradient",
                inputs,
                format!("{:?}", self.sizes),
            )),
        }
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        match self.window(cx.capabilities()) {
            Some(tile) => self.lower_window(cx, tile),
            None => self.lower_pixels(cx),
        }
    }
}

impl WeightGradient {
    /// The permutation of `conv2d/weight_gradient_window` with the least estimated
    /// work, where the device and the layer suit it.
    fn window(&self, capabilities: &Capabilities) -> Option<Tile> {
        let (s, o) = (self.sizes, self.options);
        let kind = match (o.stride, o.pad == 0 && o.upsample == 1) {
            (1, true) => "valid",
            (1, false) => "padded",
            (2, true) => "strided",
            _ => return None,
        };
        if capabilities.subgroup_size != Some(8) || s.kernel_height != s.kernel_width {
            return None;
        }
        candidates(&format!("conv2d/weight_gradient_window.{kind}_"))
            .filter(|tile| tile.kernel == s.kernel_height)
            .min_by_key(|tile| {
                let runs = s.images * s.out_height.div_ceil(tile.run) * s.out_width;
                let loads = tile.kernel * tile.window() + tile.eights * tile.run;
                let sums = 8 * tile.eights * s.taps();
                runs * s.out_channels.div_ceil(8 * tile.eights) * work(loads, sums, tile.run)
            })
    }

    fn lower_window(&self, cx: &mut Lower, tile: Tile) -> Result<(), TapeError> {
        let (g, x) = (cx.input(0), cx.input(1));
        let (s, o) = (self.sizes, self.options);
        let runs = s.out_height.div_ceil(tile.run);
        let groups = [
            s.in_channels.div_ceil(tile.shader.invocations() as usize),
            s.out_channels.div_ceil(8 * tile.eights),
        ];
        let units = s.images * runs * s.out_width;
        let pieces = WINDOW_GROUPS.div_ceil(groups[0] * groups[1]);
        let piece = units.div_ceil(pieces.min(units.div_ceil(SHORTEST_PIECE / tile.run)));
        let pieces = units.div_ceil(piece);
        let partial = self.partial(cx, pieces);
        cx.dispatch(tile.shader.key)
            .bind("g", &g)
            .bind("x", &x)
            .bind("partial", &partial)
            .u32("images", s.images)
            .u32("in_channels", s.in_channels)
            .u32("in_height", s.in_height)
            .u32("in_width", s.in_width)
            .u32("out_channels", s.out_channels)
            .u32("out_height", s.out_height)
            .u32("out_width", s.out_width)
            .u32("pad", o.pad)
            .u32("upsample_log2", o.upsample.ilog2() as usize)
            .u32("runs", runs)
            .u32("piece", piece)
            .f32("scale", o.scale)
            .flops(s.flops())
            .groups([groups[0] as u32, groups[1] as u32, pieces as u32])?;
        self.join(cx, &partial, pieces)
    }

    /// Lanes over pixels: any kernel, any device.
    fn lower_pixels(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let (g, x) = (cx.input(0), cx.input(1));
        let (s, o) = (self.sizes, self.options);
        let (kind, taps) = match (s.taps(), o.pad == 0 && o.upsample == 1) {
            (1, _) => ("pointwise", 1),
            (_, true) => ("valid", TAPS),
            (_, false) => ("padded", TAPS),
        };
        // Compilers of software devices take minutes over long kernels.
        let capabilities = cx.capabilities();
        let (suffix, channels) =
            match capabilities.software && capabilities.subgroup_size != Some(8) {
                true => ("_compact", 1),
                false => ("", 8),
            };
        let tap_blocks = s.taps().div_ceil(taps);
        let tiles = s.in_channels * tap_blocks * s.out_channels.div_ceil(channels);
        let pixels = s.images * s.out_height * s.out_width;
        let pieces = GROUPS.div_ceil(tiles);
        let pieces = pieces.min(pixels / SHORTEST_PIECE).clamp(1, MOST_PIECES);
        let piece = pixels.div_ceil(pieces);
        let pieces = pixels.div_ceil(piece);
        let step = pixels_as_steps(LANES, s.out_height, s.out_width);
        let partial = self.partial(cx, pieces);
        cx.dispatch(&format!("conv2d/weight_gradient.{kind}{suffix}"))
            .bind("g", &g)
            .bind("x", &x)
            .bind("partial", &partial)
            .u32("images", s.images)
            .u32("in_channels", s.in_channels)
            .u32("in_height", s.in_height)
            .u32("in_width", s.in_width)
            .u32("out_channels", s.out_channels)
            .u32("out_height", s.out_height)
            .u32("out_width", s.out_width)
            .u32("kernel_height", s.kernel_height)
            .u32("kernel_width", s.kernel_width)
            .u32("stride", o.stride)
            .u32("pad", o.pad)
            .u32("upsample_log2", o.upsample.ilog2() as usize)
            .u32("piece", piece)
            .u32("tap_blocks", tap_blocks)
            .u32("step_image", step[0])
            .u32("step_row", step[1])
            .u32("step_column", step[2])
            .f32("scale", o.scale)
            .flops(s.flops())
            .groups([
                (s.in_channels * tap_blocks) as u32,
                s.out_channels.div_ceil(channels) as u32,
                pieces as u32,
            ])?;
        self.join(cx, &partial, pieces)
    }

    /// Where the pieces go: one is the result itself.
    fn partial(&self, cx: &mut Lower, pieces: usize) -> Operand {
        let dw = cx.output(0);
        match pieces {
            1 => dw,
            _ => cx.workspace(Tensor::f32(&[pieces, dw.tensor.len()])),
        }
    }

    fn join(&self, cx: &mut Lower, partial: &Operand, pieces: usize) -> Result<(), TapeError> {
        if pieces == 1 {
            return Ok(());
        }
        let dw = cx.output(0);
        let weights = dw.tensor.len();
        cx.dispatch("conv2d/join_pieces")
            .bind("partial", partial)
            .bind("dw", &dw)
            .u32("count", weights)
            .u32("pieces", pieces)
            .linear(weights)
    }
}
