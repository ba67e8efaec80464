//! One launch of `conv2d/window` or `conv2d/gemm`: which kernel, which tile, and its
//! parameters. Forward pass and input gradient are the same sum.

use super::super::lower::work;
use super::super::matmul::tail_code;
use super::super::tiled::{TiledProduct, pays, suffix};
use super::super::{Epilogue, Lower, Operand, TapeError};
use super::{Conv2dOptions, Sizes, pixels_as_steps};
use crate::gpu::shader::{SHADERS, ShaderInfo};
use crate::gpu::{Capabilities, GpuError, Precision};

/// Invocations of a workgroup of `conv2d/gemm` without workgroup memory.
const GEMM_LANES: usize = 64;
/// Height and width of the kernels that `conv2d/window` has permutations for.
const KERNEL: usize = 3;

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
            Some(window) if cx.precision() == Precision::F32 => self.launch_window(cx, window),
            _ => self.launch_gemm(cx),
        }
    }

    /// How `conv2d/window` sees the layer, where the device and the layer suit it:
    /// lanes that share weights, kernels of 3 × 3.
    fn window(&self, capabilities: &Capabilities) -> Option<Window> {
        let (s, o) = (self.sizes, self.options);
        let (kernel, taps) = (KERNEL as i32, (KERNEL * KERNEL) as i32);
        if capabilities.subgroup_size != Some(8)
            || [s.kernel_height, s.kernel_width] != [KERNEL, KERNEL]
        {
            return None;
        }
        let forward = Window {
            kind: "valid",
            pad: o.pad,
            y_pad: 0,
            upsample: o.upsample,
            phases: 1,
            w_first: 0,
            w_m: s.in_channels as i32 * taps,
            w_c: taps,
            w_row: kernel,
            w_column: 1,
        };
        let backward = Window {
            upsample: 1,
            w_m: forward.w_c,
            w_c: forward.w_m,
            ..forward
        };
        match (self.direction, o.stride, o.upsample) {
            (Direction::Forward, 1, 1) if o.pad == 0 => Some(forward),
            (Direction::Forward, 1, _) => Some(Window {
                kind: "padded",
                ..forward
            }),
            (Direction::Forward, 2, 1) if o.pad == 0 => Some(Window {
                kind: "strided",
                ..forward
            }),
            // The kernel turned half round.
            (Direction::InputGradient, 1, 1) => Some(Window {
                kind: "padded",
                pad: (KERNEL - 1).checked_sub(o.pad)?,
                w_first: taps - 1,
                w_row: -kernel,
                w_column: -1,
                ..backward
            }),
            (Direction::InputGradient, 1, 2) => Some(Window {
                kind: "pooled",
                pad: (KERNEL - 1).checked_sub(o.pad)?,
                ..backward
            }),
            (Direction::InputGradient, 2, 1) => Some(Window {
                kind: "transposed",
                pad: (KERNEL - 1) / 2,
                y_pad: o.pad,
                phases: 2,
                w_row: -2 * kernel,
                w_column: -2,
                ..backward
            }),
            _ => None,
        }
    }

    fn launch_window(self, cx: &mut Lower, window: Window) -> Result<(), TapeError> {
        let (x, y) = (self.x.shape(), self.y.shape());
        // Pixels of y, or of the largest of its phases.
        let phase = |size: usize| match window.phases {
            1 => size,
            n => (size - 1 + window.y_pad) / n + 1,
        };
        let (rows, columns) = (phase(y[2]), phase(y[3]));
        let cost = |tile: &Tile| {
            let loads = tile.window() + tile.shares() * tile.kernel;
            let sums = tile.channels * tile.run;
            let runs = y[0] * rows.div_ceil(tile.run) * columns;
            runs * y[1].div_ceil(tile.channels) * work(loads, sums, tile.kernel)
        };
        let groups = |tile: &Tile| {
            let units = y[0] * rows.div_ceil(tile.run) * columns;
            [
                units.div_ceil(tile.shader.invocations() as usize),
                y[1].div_ceil(tile.channels),
                window.phases * window.phases,
            ]
        };
        let mut tiles = candidates(&format!("conv2d/window.{}_", window.kind));
        tiles.retain(|tile| cx.has_groups(groups(tile)));
        tiles.sort_by_key(cost);
        let class = format!("conv2d {} {}", window.kind, shapes(x, y));
        let shaders = tiles.iter().map(|t| t.shader).collect();
        let gemm = self.gemm();
        let others = gemm.tiled(cx).into_iter().map(|t| t.shader);
        let others: Vec<_> = others.filter(|s| cx.has_groups(gemm.groups(s))).collect();
        let Some(shader) = cx.choose(class, shaders, &others) else {
            return self.launch_gemm(cx);
        };
        let Some(tile) = Tile::of(shader) else {
            return self.dispatch_gemm(cx, shader);
        };
        let runs = rows.div_ceil(tile.run);
        cx.dispatch(tile.shader.key)
            .bind("x", self.x)
            .bind("w", self.w)
            .bind("bias", self.bias.unwrap_or(self.w))
            .bind("gate", self.gate.unwrap_or(self.w))
            .bind("y", self.y)
            .u32("images", y[0])
            .u32("in_channels", x[1])
            .u32("in_height", x[2])
            .u32("in_width", x[3])
            .u32("out_channels", y[1])
            .u32("out_height", y[2])
            .u32("out_width", y[3])
            .u32("pad", window.pad)
            .u32("y_pad", window.y_pad)
            .u32("upsample_log2", window.upsample.ilog2() as usize)
            .u32("columns", columns)
            .u32("runs", runs)
            .i32("w_first", window.w_first)
            .i32("w_m", window.w_m)
            .i32("w_c", window.w_c)
            .i32("w_row", window.w_row)
            .i32("w_column", window.w_column)
            .u32("has_bias", self.bias.is_some() as usize)
            .u32("tail", tail_code(self.epilogue))
            .f32("scale", self.options.scale)
            .flops(self.sizes.flops())
            .groups(groups(&tile).map(|n| n as u32))
    }

    /// The layer as `conv2d/gemm` sees it.
    fn gemm(&self) -> Gemm {
        let (s, o, x, y) = (self.sizes, self.options, self.x.shape(), self.y.shape());
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
        // The gradient of an upsampled input sums over every repetition of a pixel.
        let repeats = match self.direction {
            Direction::Forward => 1,
            Direction::InputGradient => o.upsample,
        };
        let kernel = [s.kernel_height * repeats, s.kernel_width * repeats];
        let terms = x[1] * kernel[0] * kernel[1];
        Gemm {
            kind,
            w_m,
            w_c,
            kernel,
            sizes: [y[1], y[0] * y[2] * y[3], terms],
        }
    }

    fn launch_gemm(self, cx: &mut Lower) -> Result<(), TapeError> {
        let (gemm, o, s) = (self.gemm(), self.options, self.sizes);
        let (capabilities, precision) = (*cx.capabilities(), cx.precision());
        let tiled: Vec<_> = gemm.tiled(cx).iter().map(|t| t.shader).collect();
        let registers = gemm.registers(&capabilities).into_iter().collect();
        let (candidates, others) = match capabilities {
            _ if precision == Precision::F16 => (tiled, vec![]),
            c if !c.software && pays(gemm.sizes) => ([tiled, registers].concat(), vec![]),
            c if c.subgroup_size == Some(8) => (registers, tiled),
            _ => ([registers, tiled].concat(), vec![]),
        };
        let (candidates, others) = cx.dispatchable(candidates, others, |s| gemm.groups(s));
        let class = format!(
            "conv2d gemm {} {}x{} /{} +{} *{} {}{}",
            gemm.kind,
            s.kernel_height,
            s.kernel_width,
            o.stride,
            o.pad,
            o.upsample,
            shapes(self.x.shape(), self.y.shape()),
            suffix(precision),
        );
        let Some(shader) = cx.choose(class, candidates, &others) else {
            let reason = format!("there is no shader 'conv2d/gemm.{}'", gemm.kind);
            let what = "conv2d".to_string();
            return Err(GpuError::Rejected { what, reason }.into());
        };
        self.dispatch_gemm(cx, shader)
    }

    fn dispatch_gemm(self, cx: &mut Lower, shader: &'static ShaderInfo) -> Result<(), TapeError> {
        let (gemm, s, o) = (self.gemm(), self.sizes, self.options);
        let (x, y) = (self.x.shape(), self.y.shape());
        let step = match TiledProduct::of(shader) {
            Some(tile) => pixels_as_steps(tile.step, gemm.kernel[0], gemm.kernel[1]),
            None => pixels_as_steps(GEMM_LANES, y[2], y[3]),
        };
        cx.dispatch(shader.key)
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
            .u32("w_m", gemm.w_m)
            .u32("w_c", gemm.w_c)
            .u32("has_bias", self.bias.is_some() as usize)
            .u32("tail", tail_code(self.epilogue))
            .f32("scale", o.scale)
            .flops(s.flops())
            .u32("step_image", step[0])
            .u32("step_row", step[1])
            .u32("step_column", step[2])
            .groups(gemm.groups(shader).map(|n| n as u32))
    }
}

/// A layer as `conv2d/window` sees it.
#[derive(Debug, Clone, Copy)]
struct Window {
    /// Which permutations do it.
    kind: &'static str,
    /// Zeros around x, seen from y.
    pad: usize,
    /// Zeros around y in the layer, where y has phases.
    y_pad: usize,
    upsample: usize,
    /// Sets of pixels along each axis that see the same taps.
    phases: usize,
    /// Where tap (0, 0) lies in w, and strides of w by channels of y and x, and by taps.
    w_first: i32,
    w_m: i32,
    w_c: i32,
    w_row: i32,
    w_column: i32,
}

/// A layer as `conv2d/gemm` sees it.
#[derive(Debug, Clone, Copy)]
struct Gemm {
    /// Which permutations do it.
    kind: &'static str,
    /// Strides of w by channels of y and of x.
    w_m: usize,
    w_c: usize,
    /// Rows and columns of taps that are summed over.
    kernel: [usize; 2],
    /// Channels and pixels of y, and terms of the sum for each.
    sizes: [usize; 3],
}

impl Gemm {
    /// Workgroups of a permutation: along pixels, and along channels.
    fn groups(&self, shader: &'static ShaderInfo) -> [usize; 3] {
        let [channels, pixels, _] = self.sizes;
        let constant = |name| shader.constant(name).unwrap_or(1) as usize;
        let [rows, columns] = match TiledProduct::of(shader) {
            Some(tile) => [tile.rows, tile.columns],
            None => [8 * constant("EIGHTS"), GEMM_LANES * constant("PIXELS")],
        };
        [pixels.div_ceil(columns), channels.div_ceil(rows), 1]
    }

    /// The permutations in workgroup memory, least estimated cost first.
    fn tiled(&self, cx: &Lower) -> Vec<TiledProduct> {
        let prefix = format!("conv2d/gemm.{}_tiled_", self.kind);
        TiledProduct::candidates(cx, &prefix, self.sizes, |_| 1)
    }

    /// The permutation in registers. Sharing weights between lanes wins on lavapipe;
    /// compilers of other software devices take minutes over long kernels.
    fn registers(&self, capabilities: &Capabilities) -> Option<&'static ShaderInfo> {
        let suffix = match capabilities {
            c if c.subgroup_size == Some(8) => "_subgroup",
            c if c.software => "_compact",
            _ => "",
        };
        ShaderInfo::find(&format!("conv2d/gemm.{}{suffix}", self.kind))
    }
}

/// The tile of a permutation of `conv2d/window` or `conv2d/weight_gradient_window`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tile {
    pub shader: &'static ShaderInfo,
    pub kernel: usize,
    pub stride: usize,
    pub channels: usize,
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
            channels: constant("CHANNELS")?,
            run: constant("RUN")?,
        })
    }

    /// Values that each lane loads for the others, of those that belong to a channel.
    pub fn shares(&self) -> usize {
        self.channels.div_ceil(self.shader.invocations() as usize)
    }

    /// Rows of x that a run looks at.
    pub fn window(&self) -> usize {
        (self.run - 1) * self.stride + self.kernel
    }
}

/// The tiles of the permutations whose key starts so.
pub(super) fn candidates(prefix: &str) -> Vec<Tile> {
    SHADERS
        .iter()
        .filter(|s| s.key.starts_with(prefix))
        .filter_map(Tile::of)
        .collect()
}

/// Shapes of two images as part of a class: `128x32x41x41 32x39x39`.
pub(super) fn shapes(x: &[usize], y: &[usize]) -> String {
    let join = |shape: &[usize]| -> String {
        let sizes: Vec<String> = shape.iter().map(usize::to_string).collect();
        sizes.join("x")
    };
    format!("{} {}", join(x), join(&y[1..]))
}
