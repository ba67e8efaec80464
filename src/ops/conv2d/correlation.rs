//! One launch of `conv2d/window` or `conv2d/gemm`: which kernel, which tile, and its
//! parameters. Forward pass and input gradient are the same sum.

use super::super::lower::work;
use super::super::matmul::tail_code;
use super::super::{Epilogue, Lower, Operand, TapeError};
use super::{Conv2dOptions, Sizes, pixels_as_steps};
use crate::gpu::Capabilities;
use crate::gpu::shader::{SHADERS, ShaderInfo};

/// Invocations of a workgroup of `conv2d/gemm`.
const GEMM_LANES: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Forward,
    InputGradient,
}

pub(super) struct Correlation<'a> {
    pub direction: Direction,
    /// The layer's input, or the gradient of its output.
    pub x: &'a Operand,
    pub w: &'a Operand,
    pub bias: Option<&'a Operand>,
    pub gate: Option<&'a Operand>,
    /// The layer's output, or the gradient of its input.
    pub y: &'a Operand,
    pub epilogue: Epilogue,
    /// Of the layer, whatever the direction.
    pub sizes: Sizes,
    pub options: Conv2dOptions,
}

impl Correlation<'_> {
    pub fn launch(self, cx: &mut Lower) -> Result<(), TapeError> {
        match self.window(cx.capabilities()) {
            Some(tile) => self.launch_window(cx, tile),
            None => self.launch_gemm(cx),
        }
    }

    /// Zeros around x, seen from y.
    fn pad(&self) -> Option<usize> {
        match self.direction {
            Direction::Forward => Some(self.options.pad),
            Direction::InputGradient => {
                (self.sizes.kernel_height - 1).checked_sub(self.options.pad)
            }
        }
    }

    /// The permutation of `conv2d/window` with the least estimated work, where the
    /// device and the layer suit it: lanes that share weights, square kernels.
    fn window(&self, capabilities: &Capabilities) -> Option<Tile> {
        let (s, o) = (self.sizes, self.options);
        let pad = self.pad()?;
        let plain = pad == 0 && o.upsample == 1;
        let kind = match (self.direction, o.stride, o.upsample) {
            (_, 1, 1) if plain => "valid",
            (_, 1, 1) | (Direction::Forward, 1, _) => "padded",
            (Direction::Forward, 2, 1) if plain => "strided",
            _ => return None,
        };
        if capabilities.subgroup_size != Some(8) || s.kernel_height != s.kernel_width {
            return None;
        }
        candidates(&format!("conv2d/window.{kind}_"))
            .filter(|tile| tile.kernel == s.kernel_height)
            .min_by_key(|tile| {
                let y = self.y.shape();
                let units = y[0] * y[2].div_ceil(tile.run) * y[3];
                let loads = tile.window() + tile.eights * tile.kernel;
                let sums = 8 * tile.eights * tile.run;
                units * y[1].div_ceil(8 * tile.eights) * work(loads, sums, tile.kernel)
            })
    }

    fn launch_window(self, cx: &mut Lower, tile: Tile) -> Result<(), TapeError> {
        let (s, o) = (self.sizes, self.options);
        let (x, y) = (self.x.shape(), self.y.shape());
        let pad = self.pad().unwrap_or(0);
        let taps = s.taps() as i32;
        let (kernel, in_channels) = (tile.kernel as i32, s.in_channels as i32);
        // The input gradient sees the kernel turned half round, its channels swapped.
        let [first, w_m, w_c, row, column] = match self.direction {
            Direction::Forward => [0, in_channels * taps, taps, kernel, 1],
            Direction::InputGradient => [taps - 1, taps, in_channels * taps, -kernel, -1],
        };
        let runs = y[2].div_ceil(tile.run);
        cx.dispatch(tile.shader.key)
            .bind("x", self.x)
            .bind("w", self.w)
            .bind("bias", self.bias.unwrap_or(self.w))
            .bind("gate", self.gate.unwrap_or(self.w))
            .bind("y", self.y)
            .u32("images", s.images)
            .u32("in_channels", x[1])
            .u32("in_height", x[2])
            .u32("in_width", x[3])
            .u32("out_channels", y[1])
            .u32("out_height", y[2])
            .u32("out_width", y[3])
            .u32("pad", pad)
            .u32("upsample_log2", o.upsample.ilog2() as usize)
            .u32("runs", runs)
            .i32("w_first", first)
            .i32("w_m", w_m)
            .i32("w_c", w_c)
            .i32("w_row", row)
            .i32("w_column", column)
            .u32("has_bias", self.bias.is_some() as usize)
            .u32("tail", tail_code(self.epilogue))
            .f32("scale", o.scale)
            .flops(s.flops())
            .groups([
                (y[0] * runs * y[3]).div_ceil(tile.shader.invocations() as usize) as u32,
                y[1].div_ceil(8 * tile.eights) as u32,
                1,
            ])
    }

    fn launch_gemm(self, cx: &mut Lower) -> Result<(), TapeError> {
        let (s, o) = (self.sizes, self.options);
        let (x, y) = (self.x.shape(), self.y.shape());
        let pixels = y[0] * y[2] * y[3];
        let step = pixels_as_steps(GEMM_LANES, y[2], y[3]);
        let taps = s.taps();
        let valid = o.pad == 0 && o.upsample == 1;
        let (kind, [w_m, w_c]) = match (self.direction, o.stride) {
            (Direction::Forward, _) if valid => ("valid", [s.in_channels * taps, taps]),
            (Direction::Forward, _) => ("padded", [s.in_channels * taps, taps]),
            (Direction::InputGradient, 1) => ("input_gradient", [taps, s.in_channels * taps]),
            (Direction::InputGradient, _) => {
                ("input_gradient_strided", [taps, s.in_channels * taps])
            }
        };
        // Sharing weights between lanes wins on lavapipe; compilers of other software
        // devices take minutes over long kernels.
        let (suffix, channels, per_lane) = match cx.capabilities() {
            c if c.subgroup_size == Some(8) => ("_subgroup", 16, 2),
            c if c.software => ("_compact", 8, 1),
            _ => ("", 8, 8),
        };
        cx.dispatch(&format!("conv2d/gemm.{kind}{suffix}"))
            .bind("x", self.x)
            .bind("w", self.w)
            .bind("bias", self.bias.unwrap_or(self.w))
            .bind("gate", self.gate.unwrap_or(self.w))
            .bind("y", self.y)
            .u32("images", s.images)
            .u32("in_channels", x[1])
            .u32("in_height", x[2])
            .u32("in_width", x[3])
            .u32("out_channels", y[1])
            .u32("out_height", y[2])
            .u32("out_width", y[3])
            .u32("kernel_height", s.kernel_height)
            .u32("kernel_width", s.kernel_width)
            .u32("stride", o.stride)
            .u32("pad", o.pad)
            .u32("upsample_log2", o.upsample.ilog2() as usize)
            .u32("w_m", w_m)
            .u32("w_c", w_c)
            .u32("has_bias", self.bias.is_some() as usize)
            .u32("tail", tail_code(self.epilogue))
            .f32("scale", o.scale)
            .flops(s.flops())
            .u32("step_image", step[0])
            .u32("step_row", step[1])
            .u32("step_column", step[2])
            .groups([
                pixels.div_ceil(GEMM_LANES * per_lane) as u32,
                y[1].div_ceil(channels) as u32,
                1,
            ])
    }
}

/// The tile of a permutation of `conv2d/window` or `conv2d/weight_gradient_window`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tile {
    pub shader: &'static ShaderInfo,
    pub kernel: usize,
    pub stride: usize,
    /// Eights of channels.
    pub eights: usize,
    /// Pixels of a run down a column.
    pub run: usize,
}

impl Tile {
    pub fn of(shader: &'static ShaderInfo) -> Option<Tile> {
        let constant = |name| shader.constant(name).map(|n| n as usize);
        Some(Tile {
            shader,
            kernel: constant("KERNEL")?,
            stride: constant("STRIDE")?,
            eights: constant("EIGHTS")?,
            run: constant("RUN")?,
        })
    }

    /// Rows of x that a run looks at.
    pub fn window(&self) -> usize {
        (self.run - 1) * self.stride + self.kernel
    }
}

/// The tiles of the permutations whose key starts so.
pub(super) fn candidates(prefix: &str) -> impl Iterator<Item = Tile> {
    SHADERS
        .iter()
        .filter(move |s| s.key.starts_with(prefix))
        .filter_map(Tile::of)
}
