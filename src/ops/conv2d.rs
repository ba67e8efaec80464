//! `conv2d`: two-dimensional cross-correlation with stride, padding, bias, nearest
//! upsampling of its input, and pointwise tail; and its three gradients.

mod correlation;
mod weight_gradient;

use std::rc::Rc;

use super::{Backward, DType, Epilogue, Lower, Op, TapeError, Tensor, Var, shape_error};
use correlation::{Correlation, Direction};
use weight_gradient::WeightGradient;

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

    /// Of the convolution; each of its gradients has as many.
    fn flops(&self) -> u64 {
        let outputs: usize = self.output().iter().product();
        2 * outputs as u64 * (self.in_channels * self.taps()) as u64
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
fn pixels_as_steps(pixels: usize, height: usize, width: usize) -> [usize; 3] {
    let within = pixels % (height * width);
    [pixels / (height * width), within / width, within % width]
}

fn floats(inputs: &[&Tensor]) -> bool {
    inputs.iter().all(|t| t.dtype == DType::F32)
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
        // One pass over the gradient of the output serves both.
        let bias = self.bias && cx.needs[2];
        if cx.needs[1] || bias {
            let op = WeightGradient {
                options,
                sizes,
                bias,
            };
            let mut gradients = Var::record(op, &[g, x])?.into_iter();
            out[1] = gradients.next().filter(|_| cx.needs[1]);
            if bias {
                out[2] = gradients.next();
            }
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
        Correlation {
            direction: Direction::Forward,
            x: &x,
            w: &w,
            bias: bias.as_ref(),
            gate: gate.as_ref(),
            y: &y,
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
        Correlation {
            direction: Direction::InputGradient,
            x: &g,
            w: &w,
            bias: None,
            gate: gate.as_ref(),
            y: &dx,
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
