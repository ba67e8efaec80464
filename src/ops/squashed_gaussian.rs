//! `squashed_gaussian`: the policy distribution of soft actor-critic, a Gaussian
//! squashed by tanh (SPEC.md A.1).

use super::{Backward, DType, Lower, Op, TapeError, Tensor, Var, shape_error};

/// The policy at B states with A action dimensions, sampled with given noise.
#[derive(Debug, Clone)]
pub struct SquashedGaussian {
    /// The sampled action tanh(mean + noise · std), in −1..1. \[B, A\]
    pub action: Var,
    /// Its log-density. \[B, 1\]
    pub log_prob: Var,
    /// tanh(mean): the deterministic action, in −1..1. \[B, A\]
    pub mean: Var,
    /// Logarithm of the standard deviation before squashing, in the given range. \[B, A\]
    pub log_std: Var,
}

/// raw[B, 2A], noise[B, A] → action, log_prob, mean, log_std.
#[derive(Debug)]
struct Forward {
    log_std_min: f32,
    log_std_max: f32,
}

impl Op for Forward {
    fn name(&self) -> &'static str {
        "squashed_gaussian"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        match inputs {
            [raw, noise]
                if raw.dtype == DType::F32
                    && noise.dtype == DType::F32
                    && noise.shape.len() == 2
                    && !noise.is_empty()
                    && raw.shape == [noise.shape[0], 2 * noise.shape[1]] =>
            {
                let (each, row) = ((*noise).clone(), Tensor::f32(&[noise.shape[0], 1]));
                Ok(vec![each.clone(), row, each.clone(), each])
            }
            _ => Err(shape_error(
                "squashed_gaussian",
                inputs,
                "f32[B, 2A] (means, raw log_std) and noise f32[B, A], not empty",
            )),
        }
    }

    fn gradient(&self, cx: &Backward) -> Result<Vec<Option<Var>>, TapeError> {
        if !cx.needs[0] {
            return Ok(vec![None, None]);
        }
        let gradient = Gradient {
            log_std_min: self.log_std_min,
            log_std_max: self.log_std_max,
            has: std::array::from_fn(|i| cx.grads[i].is_some()),
        };
        let mut inputs = vec![&cx.inputs[0], &cx.inputs[1], &cx.outputs[0]];
        inputs.extend(cx.grads.iter().flatten());
        // The noise is drawn, not learned: no gradient.
        Ok(vec![Some(Var::record1(gradient, &inputs)?), None])
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let (raw, noise) = (cx.input(0), cx.input(1));
        let (action, log_prob, mean, log_std) =
            (cx.output(0), cx.output(1), cx.output(2), cx.output(3));
        let (rows, actions) = (noise.shape()[0], noise.shape()[1]);
        cx.dispatch("squashed_gaussian/forward")
            .bind("raw", &raw)
            .bind("noise", &noise)
            .bind("action", &action)
            .bind("log_prob", &log_prob)
            .bind("mean", &mean)
            .bind("log_std", &log_std)
            .u32("rows", rows)
            .u32("actions", actions)
            .f32("log_std_min", self.log_std_min)
            .f32("log_std_max", self.log_std_max)
            .linear(rows)
    }
}

/// Inputs: raw, noise, action, then the gradients that `has` announces, in the
/// order of the outputs. Output: the gradient of raw.
#[derive(Debug)]
struct Gradient {
    log_std_min: f32,
    log_std_max: f32,
    has: [bool; 4],
}

impl Op for Gradient {
    fn name(&self) -> &'static str {
        "squashed_gaussian_gradient"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        Ok(vec![inputs[0].clone()])
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let (raw, noise, action) = (cx.input(0), cx.input(1), cx.input(2));
        let draw = cx.output(0);
        let mut given = 3;
        let gradients = self.has.map(|has| {
            given += has as usize;
            if has {
                cx.input(given - 1)
            } else {
                action.clone()
            }
        });
        cx.dispatch("squashed_gaussian/gradient")
            .bind("raw", &raw)
            .bind("noise", &noise)
            .bind("action", &action)
            .bind("g_action", &gradients[0])
            .bind("g_log_prob", &gradients[1])
            .bind("g_mean", &gradients[2])
            .bind("g_log_std", &gradients[3])
            .bind("draw", &draw)
            .u32("count", noise.tensor.len())
            .u32("actions", noise.shape()[1])
            .f32("log_std_min", self.log_std_min)
            .f32("log_std_max", self.log_std_max)
            .u32("has_action", self.has[0] as usize)
            .u32("has_log_prob", self.has[1] as usize)
            .u32("has_mean", self.has[2] as usize)
            .u32("has_log_std", self.has[3] as usize)
            .linear(noise.tensor.len())
    }
}

impl Var {
    /// The policy whose network's raw output is `self`: f32\[B, 2A\], A means, then A
    /// raw log_std. With noise ε ~ N(0, 1) as f32\[B, A\] (zeros where only the
    /// deterministic action is wanted; no gradient flows into it):
    ///
    /// - log_std = min + ½ (max − min) (tanh raw + 1),
    /// - action a = tanh(mean + ε e^log_std),
    /// - log_prob = Σ (−½ε² − log_std − ½ ln 2π) − Σ ln(relu(1 − a²) + 1e-6).
    ///
    /// Source: SPEC.md A.1; there log_std is in −10..2. One dispatch, and one for the
    /// gradient, from whichever of the four results have one.
    ///
    /// # Errors
    /// [`TapeError::Shape`] for other shapes; [`TapeError::Option`] unless
    /// `log_std_min` < `log_std_max`, both finite.
    pub fn squashed_gaussian(
        &self,
        noise: &Var,
        log_std_min: f32,
        log_std_max: f32,
    ) -> Result<SquashedGaussian, TapeError> {
        let op = "squashed_gaussian";
        if !(log_std_min.is_finite() && log_std_max.is_finite() && log_std_min < log_std_max) {
            return Err(TapeError::Option {
                op,
                message: format!("log_std from {log_std_min} to {log_std_max} is no range"),
            });
        }
        let forward = Forward {
            log_std_min,
            log_std_max,
        };
        match <[Var; 4]>::try_from(Var::record(forward, &[self, noise])?) {
            Ok([action, log_prob, mean, log_std]) => Ok(SquashedGaussian {
                action,
                log_prob,
                mean,
                log_std,
            }),
            Err(_) => Err(TapeError::Option {
                op,
                message: "has four outputs".to_string(),
            }),
        }
    }
}
