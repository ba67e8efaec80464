//! `layer_norm`: rows of zero mean and unit variance, then a gain and a bias
//! (Ba et al. 2016).

use super::reduce::reduce_pass;
use super::{Backward, DType, Lower, Op, TapeError, Tensor, Var, shape_error};

/// The gradients of gain and bias sum this many rows at most in one go; of more
/// rows, pieces of this length are summed first.
const PIECE: usize = 128;

/// x[…, N], gain[N], bias[N] → y[…, N], and per row mean and 1 / √(variance + eps).
#[derive(Debug)]
struct LayerNorm {
    eps: f32,
}

/// Rows and their length.
fn rows(x: &Tensor) -> (usize, usize) {
    let width = x.shape.last().copied().unwrap_or(1);
    (x.len() / width, width)
}

impl Op for LayerNorm {
    fn name(&self) -> &'static str {
        "layer_norm"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        match inputs {
            [x, gain, bias]
                if inputs.iter().all(|t| t.dtype == DType::F32)
                    && !x.is_empty()
                    && !x.shape.is_empty()
                    && gain.shape == x.shape[x.shape.len() - 1..]
                    && bias.shape == gain.shape =>
            {
                Ok(vec![(*x).clone(), Tensor::f32(&[rows(x).0, 2])])
            }
            _ => Err(shape_error(
                "layer_norm",
                inputs,
                "f32[…, N], gain f32[N], bias f32[N], not empty",
            )),
        }
    }

    fn gradient(&self, cx: &Backward) -> Result<Vec<Option<Var>>, TapeError> {
        let mut grads = vec![None, None, None];
        let Some(g) = &cx.grads[0] else {
            return Ok(grads);
        };
        let (x, gain, statistics) = (&cx.inputs[0], &cx.inputs[1], &cx.outputs[1]);
        if cx.needs[0] {
            grads[0] = Some(Var::record1(InputGradient, &[g, x, gain, statistics])?);
        }
        if cx.needs[1] || cx.needs[2] {
            let affine = Var::record(AffineGradient, &[g, x, statistics])?;
            for (into, gradient) in grads[1..].iter_mut().zip(affine) {
                *into = Some(gradient);
            }
        }
        Ok(grads)
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let (x, gain, bias) = (cx.input(0), cx.input(1), cx.input(2));
        let (y, statistics) = (cx.output(0), cx.output(1));
        let (rows, width) = rows(&x.tensor);
        let kernel = cx.row_kernel("layer_norm/forward", [rows, width]);
        cx.dispatch(kernel.key)
            .bind("x", &x)
            .bind("gain", &gain)
            .bind("bias", &bias)
            .bind("y", &y)
            .bind("statistics", &statistics)
            .u32("rows", rows)
            .u32("width", kernel.width)
            .f32("inverse_width", 1.0 / width as f32)
            .f32("eps", self.eps)
            .linear_groups(kernel.groups)
    }
}

/// Inputs: g, x, gain, statistics. Output: the gradient of x.
#[derive(Debug)]
struct InputGradient;

impl Op for InputGradient {
    fn name(&self) -> &'static str {
        "layer_norm_input_gradient"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        Ok(vec![inputs[1].clone()])
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let (g, x, gain, statistics) = (cx.input(0), cx.input(1), cx.input(2), cx.input(3));
        let dx = cx.output(0);
        let (rows, width) = rows(&x.tensor);
        let kernel = cx.row_kernel("layer_norm/input_gradient", [rows, width]);
        cx.dispatch(kernel.key)
            .bind("g", &g)
            .bind("x", &x)
            .bind("gain", &gain)
            .bind("statistics", &statistics)
            .bind("dx", &dx)
            .u32("rows", rows)
            .u32("width", kernel.width)
            .f32("inverse_width", 1.0 / width as f32)
            .linear_groups(kernel.groups)
    }
}

/// Inputs: g, x, statistics. Outputs: the gradients of gain and bias.
#[derive(Debug)]
struct AffineGradient;

impl Op for AffineGradient {
    fn name(&self) -> &'static str {
        "layer_norm_affine_gradient"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        Ok(vec![Tensor::f32(&[rows(inputs[1]).1]); 2])
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let (g, x, statistics) = (cx.input(0), cx.input(1), cx.input(2));
        let (dgain, dbias) = (cx.output(0), cx.output(1));
        let (rows, width) = rows(&x.tensor);
        let pieces = rows.div_ceil(PIECE);
        let (of_gain, of_bias) = if pieces == 1 {
            (dgain.clone(), dbias.clone())
        } else {
            let partial = Tensor::f32(&[pieces, width]);
            (cx.workspace(partial.clone()), cx.workspace(partial))
        };
        // Four columns at a time where few invocations are enough for the device.
        let (key, columns) = match cx.capabilities().software && width.is_multiple_of(4) {
            true => ("layer_norm/affine_gradient.quads", width / 4),
            false => ("layer_norm/affine_gradient", width),
        };
        cx.dispatch(key)
            .bind("g", &g)
            .bind("x", &x)
            .bind("statistics", &statistics)
            .bind("dgain", &of_gain)
            .bind("dbias", &of_bias)
            .u32("rows", rows)
            .u32("width", columns)
            .u32("piece", PIECE)
            .u32("count", pieces * columns)
            .linear(pieces * columns)?;
        if pieces > 1 {
            reduce_pass(cx, "sum", &of_gain, &dgain, [1, pieces, width], pieces, 1.0)?;
            reduce_pass(cx, "sum", &of_bias, &dbias, [1, pieces, width], pieces, 1.0)?;
        }
        Ok(())
    }
}

impl Var {
    /// Normalises each row of f32\[…, N\]: (x − mean) / √(variance + eps) · gain +
    /// bias, with the biased variance of the row; gain and bias are f32\[N\].
    ///
    /// # Errors
    /// [`TapeError::Shape`] for other shapes; [`TapeError::Option`] unless `eps` is
    /// positive and finite (a constant row would divide by zero).
    pub fn layer_norm(&self, gain: &Var, bias: &Var, eps: f32) -> Result<Var, TapeError> {
        if !(eps.is_finite() && eps > 0.0) {
            return Err(TapeError::Option {
                op: "layer_norm",
                message: format!("eps must be positive, got {eps}"),
            });
        }
        let outputs = Var::record(LayerNorm { eps }, &[self, gain, bias])?;
        outputs.into_iter().next().ok_or(TapeError::Option {
            op: "layer_norm",
            message: "has no output".to_string(),
        })
    }
}
