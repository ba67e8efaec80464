//! `squash`: tanh of a sampled action, with the change of variables in its
//! log-density (SPEC.md A.1). [`Var::squashed_gaussian`] does this and the Gaussian
//! in one dispatch; this one is for densities that come from elsewhere.

use super::{Backward, DType, Lower, Op, TapeError, Tensor, Var, shape_error};

/// u[B, A], log-density[B, 1] → tanh u, log-density of tanh u.
#[derive(Debug)]
struct Squash;

impl Op for Squash {
    fn name(&self) -> &'static str {
        "squash"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        match inputs {
            [u, l]
                if u.dtype == DType::F32
                    && l.dtype == DType::F32
                    && u.shape.len() == 2
                    && !u.is_empty()
                    && l.shape == [u.shape[0], 1] =>
            {
                Ok(vec![(*u).clone(), (*l).clone()])
            }
            _ => Err(shape_error(
                "squash",
                inputs,
                "f32[B, A] and f32[B, 1], not empty",
            )),
        }
    }

    fn gradient(&self, cx: &Backward) -> Result<Vec<Option<Var>>, TapeError> {
        let mut grads = vec![None, cx.grads[1].clone()];
        let has = [cx.grads[0].is_some(), cx.grads[1].is_some()];
        if cx.needs[0] {
            let mut inputs = vec![&cx.outputs[0]];
            inputs.extend(cx.grads.iter().flatten());
            grads[0] = Some(Var::record1(SquashGradient { has }, &inputs)?);
        }
        Ok(grads)
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let (u, density) = (cx.input(0), cx.input(1));
        let (action, log_prob) = (cx.output(0), cx.output(1));
        let (rows, actions) = (u.shape()[0], u.shape()[1]);
        cx.dispatch("squash/forward")
            .bind("u", &u)
            .bind("density", &density)
            .bind("action", &action)
            .bind("log_prob", &log_prob)
            .u32("rows", rows)
            .u32("actions", actions)
            .linear(rows)
    }
}

/// Inputs: tanh u, then the gradients that `has` announces (of tanh u, of the
/// log-density).
#[derive(Debug)]
struct SquashGradient {
    has: [bool; 2],
}

impl Op for SquashGradient {
    fn name(&self) -> &'static str {
        "squash_gradient"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        Ok(vec![inputs[0].clone()])
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let (action, du) = (cx.input(0), cx.output(0));
        let mut given = 1;
        let mut gradient = |has: bool| {
            given += has as usize;
            if has {
                cx.input(given - 1)
            } else {
                action.clone()
            }
        };
        let (g_action, g_log_prob) = (gradient(self.has[0]), gradient(self.has[1]));
        cx.dispatch("squash/gradient")
            .bind("action", &action)
            .bind("g_action", &g_action)
            .bind("g_log_prob", &g_log_prob)
            .bind("du", &du)
            .u32("count", du.tensor.len())
            .u32("actions", du.shape()[1])
            .u32("has_action", self.has[0] as usize)
            .u32("has_log_prob", self.has[1] as usize)
            .linear(du.tensor.len())
    }
}

impl Var {
    /// Squashes a sample u\[B, A\] (f32, before tanh) whose log-density is
    /// `log_prob`\[B, 1\]: returns a = tanh u and
    /// log_prob − Σ ln(relu(1 − a²) + 1e-6) (SPEC.md A.1). Where a rounds to ±1 (from
    /// |u| ≈ 9 on), its gradient is exactly 0.
    ///
    /// # Errors
    /// [`TapeError::Shape`] for other shapes.
    pub fn squash(&self, log_prob: &Var) -> Result<(Var, Var), TapeError> {
        let mut outputs = Var::record(Squash, &[self, log_prob])?.into_iter();
        match (outputs.next(), outputs.next()) {
            (Some(action), Some(log_prob)) => Ok((action, log_prob)),
            _ => Err(TapeError::Option {
                op: "squash",
                message: "has two outputs".to_string(),
            }),
        }
    }
}
