//! `conv2d`: two-dimensional cross-correlation with stride, padding, bias, nearest
//! upsampling of its input, and pointwise tail; and its three gradients.

use std::rc::Rc;

use super::matmul::tail_code;
use super::{Backward, DType, Epilogue, Lower, Op, Operand, TapeError, Tensor, Var, shape_error};
use crate::gpu::Capabilities;

/// Invocations of a workgroup of `conv2d/gemm`, channels and pixels of each.
const LANES: usize = 64;
/// Taps of a tile of `conv2d/weight_gradient`.
const GRADIENT_TAPS: usize = 9;
/// Invocations of a workgroup of `conv2d/weight_gradient`.
const GRADIENT_LANES: usize = 32;
/// Workgroups that the weight gradient is cut into pieces for.
const GRADIENT_GROUPS: usize = 512;
/// Shortest piece (pixels) worth a workgroup, and most pieces.
const SHORTEST_PIECE: usize = 512;
const MOST_PIECES: usize = 64;

/// How the kernel moves over its input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Conv2dOptions {
    /// Input pixels between output pixels; at least 1.
    pub stride: usize,
    /// Zeros around the (upsampled) input.
    pub pad: usize,
    /// Each input pixel is repeated that often along both axes first (nearest): a power of 2.
    pub upsample: usize,
    /// Factor of the sums, before the bias: y = scale · (w ⋆ x) + bias.
    pub scale: f32,
}

impl Default for Conv2dOptions {
    fn default() -> Self {
        Conv2dOptions {
            stride: 1,
            pad: 0,
            upsample: 1,
            scale: 1.0,
        }
    }
}

/// Which permutations a device runs, and their tiles.
#[derive(Debug, Clone, Copy)]
struct Tiles {
    /// Suffix of the permutations of `conv2d/gemm`.
    gemm: &'static str,
    /// Channels of a workgroup, pixels of an invocation.
    channels: usize,
    pixels: usize,
    /// Suffix of the permutations of `conv2d/weight_gradient`.
    gradient: &'static str,
    /// Channels of g in a workgroup.
    gradient_channels: usize,
}

impl Tiles {
    fn of(capabilities: &Capabilities) -> Tiles {
        let wide = Tiles {
            gemm: "",
            channels: 8,
            pixels: 8,
            gradient: "",
            gradient_channels: 8,
        };
        match capabilities.subgroup_size {
            // Sharing weights between lanes wins on lavapipe.
            Some(8) => Tiles {
                gemm: "_subgroup",
                channels: 16,
                pixels: 2,
                ..wide
            },
            // Compilers of other software devices take minutes over long kernels.
            _ if capabilities.software => Tiles {
                gemm: "_compact",
                pixels: 1,
                gradient: "_compact",
                gradient_channels: 1,
                ..wide
            },
            _ => wide,
        }
    }
}

/// Sizes of one convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sizes {
    images: usize,
    in_channels: usize,
    in_height: usize,
    in_width: usize,
    out_channels: usize,
    out_height: usize,
    out_width: usize,
    kernel_height: usize,
    kernel_width: usize,
}

impl Sizes {
    /// x[B, C, H, W] and w[M, C, kh, kw], if they fit.
    fn new(x: &[usize], w: &[usize], options: Conv2dOptions) -> Option<Sizes> {
        let (
            [images, in_channels, in_height, in_width],
            [out_channels, c, kernel_height, kernel_width],
        ) = (x, w)
        else {
            return None;
        };
        if options.stride == 0 || !options.upsample.is_power_of_two() || c != in_channels {
            return None;
        }
        let out = |size: usize, kernel: usize| {
            let padded = size * options.upsample + 2 * options.pad;
            (padded.checked_sub(kernel)?)
                .checked_div(options.stride)
                .map(|n| n + 1)
        };
        let sizes = Sizes {
            images: *images,
            in_channels: *in_channels,
            in_height: *in_height,
            in_width: *in_width,
            out_channels: *out_channels,
            out_height: out(*in_height, *kernel_height)?,
            out_width: out(*in_width, *kernel_width)?,
            kernel_height: *kernel_height,
            kernel_width: *kernel_width,
        };
        (x.iter().chain(w).all(|&d| d > 0)).then_some(sizes)
    }

    fn taps(&self) -> usize {
        self.kernel_height * self.kernel_width
    }

    fn input(&self) -> [usize; 4] {
        [self.images, self.in_channels, self.in_height, self.in_width]
    }

    fn weight(&self) -> [usize; 4] {
        [
            self.out_channels,
            self.in_channels,
            self.kernel_height,
            self.kernel_width,
        ]
    }

    fn output(&self) -> [usize; 4] {
        [
            self.images,
            self.out_channels,
            self.out_height,
            self.out_width,
        ]
    }
}

/// `pixels` further on in a row of images [height, width]: images, rows, columns.
fn stride_of(pixels: usize, height: usize, width: usize) -> [usize; 3] {
    let within = pixels % (height * width);
    [pixels / (height * width), within / width, within % width]
}

fn floats(inputs: &[&Tensor]) -> bool {
    inputs.iter().all(|t| t.dtype == DType::F32)
}

/// One launch of `conv2d/gemm`: which of the two directions, with what tail.
struct Gemm<'a> {
    key: &'static str,
    x: &'a Operand,
    w: &'a Operand,
    bias: Option<&'a Operand>,
    gate: Option<&'a Operand>,
    y: &'a Operand,
    /// Strides of w by y's and by x's channels.
    w_strides: [usize; 2],
    epilogue: Epilogue,
    sizes: Sizes,
    options: Conv2dOptions,
}

impl Gemm<'_> {
    fn launch(self, cx: &mut Lower) -> Result<(), TapeError> {
        let (s, o) = (self.sizes, self.options);
        let (x, y) = (self.x.shape(), self.y.shape());
        let pixels = y[0] * y[2] * y[3];
        let step = stride_of(LANES, y[2], y[3]);
        let tiles = Tiles::of(cx.capabilities());
        let (channels, per_lane) = (tiles.channels, tiles.pixels);
        cx.dispatch(&format!("conv2d/gemm.{}{}", self.key, tiles.gemm))
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
            .u32("w_m", self.w_strides[0])
            .u32("w_c", self.w_strides[1])
            .u32("has_bias", self.bias.is_some() as usize)
            .u32("tail", tail_code(self.epilogue))
            .f32("scale", o.scale)
            .u32("step_image", step[0])
            .u32("step_row", step[1])
            .u32("step_column", step[2])
            .groups([
                pixels.div_ceil(LANES * per_lane) as u32,
                y[1].div_ceil(channels) as u32,
                1,
            ])
    }
}

/// Inputs: x[B, C, H, W], w[M, C, kh, kw], bias[M] if any, gate if the tail is one.
#[derive(Debug, Clone)]
struct Conv2d {
    options: Conv2dOptions,
    bias: bool,
    epilogue: Epilogue,
}

impl Op for Conv2d {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        let sizes = match inputs {
            [x, w, ..] if floats(inputs) => Sizes::new(&x.shape, &w.shape, self.options),
            _ => None,
        };
        match sizes {
            Some(s) if !self.bias || inputs[2].shape == [s.out_channels] => {
                Ok(vec![Tensor::f32(&s.output())])
            }
            _ => Err(shape_error(
                "conv2d",
                inputs,
                format!(
                    "f32 x [B, C, H, W] at least as large as the kernel, w [M, C, kh, kw]{}, with {:?}",
                    if self.bias { ", bias [M]" } else { "" },
                    self.options
                ),
            )),
        }
    }

    fn gradient(&self, cx: &Backward) -> Result<Vec<Option<Var>>, TapeError> {
        let mut out = vec![None; cx.inputs.len()];
        let Some(g) = &cx.grads[0] else {
            return Ok(out);
        };
        let (x, w) = (&cx.inputs[0], &cx.inputs[1]);
        let Some(sizes) = Sizes::new(&x.shape(), &w.shape(), self.options) else {
            return Err(TapeError::NotDifferentiable { op: "conv2d" });
        };
        let options = self.options;
        if cx.needs[0] {
            let op = InputGradient {
                options,
                sizes,
                epilogue: Epilogue::None,
            };
            out[0] = Some(Var::record1(op, &[g, w])?);
        }
        if cx.needs[1] {
            out[1] = Some(Var::record1(WeightGradient { options, sizes }, &[g, x])?);
        }
        if self.bias && cx.needs[2] {
            let [b, m, h, w] = sizes.output();
            let per_image = g.reshape(&[b, m, h * w])?.sum(2..3)?;
            out[2] = Some(per_image.reshape(&[b, m])?.sum(0..1)?.reshape(&[m])?);
        }
        Ok(out)
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let (x, w, y) = (cx.input(0), cx.input(1), cx.output(0));
        let Some(sizes) = Sizes::new(x.shape(), w.shape(), self.options) else {
            return Err(shape_error(
                "conv2d",
                &[&x.tensor, &w.tensor],
                "operands that fit",
            ));
        };
        let bias = if self.bias { cx.try_input(2) } else { None };
        let gate = cx.try_input(2 + self.bias as usize);
        let valid = self.options.pad == 0 && self.options.upsample == 1;
        Gemm {
            key: if valid { "valid" } else { "padded" },
            x: &x,
            w: &w,
            bias: bias.as_ref(),
            gate: gate.as_ref(),
            y: &y,
            w_strides: [sizes.in_channels * sizes.taps(), sizes.taps()],
            epilogue: self.epilogue,
            sizes,
            options: self.options,
        }
        .launch(cx)
    }

    fn with_epilogue(&self, epilogue: Epilogue) -> Option<Rc<dyn Op>> {
        (self.epilogue == Epilogue::None).then(|| {
            Rc::new(Conv2d {
                epilogue,
                ..self.clone()
            }) as Rc<dyn Op>
        })
    }
}

/// Inputs: g[B, M, OH, OW], w, gate if the tail is one. Output like x.
#[derive(Debug, Clone)]
struct InputGradient {
    options: Conv2dOptions,
    sizes: Sizes,
    epilogue: Epilogue,
}

impl Op for InputGradient {
    fn name(&self) -> &'static str {
        "conv2d_input_gradient"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        match inputs {
            [g, w, ..] if g.shape == self.sizes.output() && w.shape == self.sizes.weight() => {
                Ok(vec![Tensor::f32(&self.sizes.input())])
            }
            _ => Err(shape_error(
                "conv2d_input_gradient",
                inputs,
                format!("{:?}", self.sizes),
            )),
        }
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let (g, w, dx) = (cx.input(0), cx.input(1), cx.output(0));
        let gate = cx.try_input(2);
        Gemm {
            key: match self.options.stride {
                1 => "input_gradient",
                _ => "input_gradient_strided",
            },
            x: &g,
            w: &w,
            bias: None,
            gate: gate.as_ref(),
            y: &dx,
            w_strides: [
                self.sizes.taps(),
                self.sizes.in_channels * self.sizes.taps(),
            ],
            epilogue: self.epilogue,
            sizes: self.sizes,
            options: self.options,
        }
        .launch(cx)
    }

    fn with_epilogue(&self, epilogue: Epilogue) -> Option<Rc<dyn Op>> {
        (self.epilogue == Epilogue::None).then(|| {
            Rc::new(InputGradient {
                epilogue,
                ..self.clone()
            }) as Rc<dyn Op>
        })
    }
}

/// Inputs: g[B, M, OH, OW], x. Output like w.
#[derive(Debug)]
struct WeightGradient {
    options: Conv2dOptions,
    sizes: Sizes,
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
        let (g, x, dw) = (cx.input(0), cx.input(1), cx.output(0));
        let (s, o) = (self.sizes, self.options);
        let (key, taps) = match (s.taps(), o.pad == 0 && o.upsample == 1) {
            (1, _) => ("pointwise", 1),
            (_, true) => ("valid", GRADIENT_TAPS),
            (_, false) => ("padded", GRADIENT_TAPS),
        };
        let tile = Tiles::of(cx.capabilities());
        let tap_blocks = s.taps().div_ceil(taps);
        let tiles = s.in_channels * tap_blocks * s.out_channels.div_ceil(tile.gradient_channels);
        let pixels = s.images * s.out_height * s.out_width;
        let pieces = GRADIENT_GROUPS.div_ceil(tiles);
        let pieces = pieces.min(pixels / SHORTEST_PIECE).clamp(1, MOST_PIECES);
        let piece = pixels.div_ceil(pieces);
        let pieces = pixels.div_ceil(piece);
        let weights = dw.tensor.len();
        let step = stride_of(GRADIENT_LANES, s.out_height, s.out_width);
        let partial = if pieces > 1 {
            cx.workspace(Tensor::f32(&[pieces, weights]))
        } else {
            dw.clone()
        };
        cx.dispatch(&format!("conv2d/weight_gradient.{key}{}", tile.gradient))
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
            .groups([
                (s.in_channels * tap_blocks) as u32,
                s.out_channels.div_ceil(tile.gradient_channels) as u32,
                pieces as u32,
            ])?;
        if pieces == 1 {
            return Ok(());
        }
        cx.dispatch("conv2d/join_pieces")
            .bind("partial", &partial)
            .bind("dw", &dw)
            .u32("count", weights)
            .u32("pieces", pieces)
            .linear(weights)
    }
}

impl Var {
    /// Cross-correlation: `x[B, C, H, W]` with `weight[M, C, kh, kw]` and `bias[M]` →
    /// [B, M, OH, OW], OH = ⌊(upsample·H + 2 pad − kh) / stride⌋ + 1.
    pub fn conv2d(
        &self,
        weight: &Var,
        bias: Option<&Var>,
        options: Conv2dOptions,
    ) -> Result<Var, TapeError> {
        let op = Conv2d {
            options,
            bias: bias.is_some(),
            epilogue: Epilogue::None,
        };
        let mut inputs = vec![self, weight];
        inputs.extend(bias);
        Var::record1(op, &inputs)
    }
}
