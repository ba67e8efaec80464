//! `adam`: one optimiser step over all parameters of an arena (Kingma and Ba 2015),
//! in PyTorch's form: eps is added outside the root, no weight decay.

use super::state::{is_flat_f32, require_state};
use super::{DType, Lower, Op, TapeError, Tensor, Var, shape_error};

/// Words of the `time` state: the step count and two bias corrections.
const TIME_WORDS: usize = 3;

/// Hyper-parameters of Adam.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamOptions {
    /// Step size; finite, at least 0.
    pub lr: f32,
    /// Decay of the first moment, in 0..1 (1 excluded).
    pub beta1: f32,
    /// Decay of the second moment, in 0..1 (1 excluded).
    pub beta2: f32,
    /// Added to the root of the second moment; positive.
    pub eps: f32,
}

impl Default for AdamOptions {
    /// lr 1e-3, β 0.9 and 0.999, eps 1e-8.
    fn default() -> AdamOptions {
        AdamOptions {
            lr: 1e-3,
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
        }
    }
}

impl AdamOptions {
    fn check(&self) -> Result<(), TapeError> {
        let wrong = |name: &str, given: f32, right: &str| {
            Err(TapeError::Option {
                op: "adam",
                message: format!("{name} is {given}; it must be {right}"),
            })
        };
        if !(self.lr.is_finite() && self.lr >= 0.0) {
            return wrong("lr", self.lr, "finite and at least 0");
        }
        for (name, beta) in [("beta1", self.beta1), ("beta2", self.beta2)] {
            if !(0.0..1.0).contains(&beta) {
                return wrong(name, beta, "at least 0 and below 1");
            }
        }
        if !(self.eps.is_finite() && self.eps > 0.0) {
            return wrong("eps", self.eps, "finite and positive");
        }
        Ok(())
    }
}

/// 1 − β for the β that a person wrote: 0.999 means 0.999 and not the f32 nearest to
/// it, whose difference from 1 is wrong by 5e-5 of itself.
fn complement(beta: f32) -> f32 {
    let written = beta.to_string().parse().unwrap_or(f64::from(beta));
    (1.0 - written) as f32
}

/// Inputs: parameters, gradients, m, v (f32[N]), time (u32[≥ 3]).
#[derive(Debug)]
struct Adam(AdamOptions);

impl Op for Adam {
    fn name(&self) -> &'static str {
        "adam"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        match inputs {
            [p, g, m, v, time]
                if [p, g, m, v].iter().all(|t| is_flat_f32(t, p.len()))
                    && time.dtype == DType::U32
                    && time.shape.len() == 1
                    && time.len() >= TIME_WORDS =>
            {
                Ok(vec![])
            }
            _ => Err(shape_error(
                "adam",
                inputs,
                "parameters, gradients, m and v as flat f32 of one length, and a flat u32 of at least 3 words",
            )),
        }
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let [p, g, m, v, time] = [0, 1, 2, 3, 4].map(|i| cx.input(i));
        let rate_1 = complement(self.0.beta1);
        let rate_2 = complement(self.0.beta2);
        cx.dispatch("adam/tick")
            .bind("time", &time)
            .f32("rate_1", rate_1)
            .f32("rate_2", rate_2)
            .linear_groups(1)?;
        let (dispatch, count) = cx.pointwise("adam/step", p.tensor.len());
        dispatch
            .bind("p", &p)
            .bind("g", &g)
            .bind("m", &m)
            .bind("v", &v)
            .bind("time", &time)
            .u32("count", count)
            .f32("lr", self.0.lr)
            .f32("rate_1", rate_1)
            .f32("rate_2", rate_2)
            .f32("keep_2", self.0.beta2)
            .f32("eps", self.0.eps)
            .linear(count)
    }

    fn writes(&self) -> &[usize] {
        &[0, 2, 3, 4]
    }
}

impl Var {
    /// One Adam step on `self`: `f32[N]`, a flat range of an arena
    /// ([`Tape::state_range`](crate::tape::Tape::state_range)), whatever the number of
    /// tensors in it.
    ///
    /// m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g², and
    /// self ← self − lr/(1−β₁ᵗ) · m / (√v/√(1−β₂ᵗ) + eps) with t counted from 1.
    ///
    /// - `gradients`: `f32[N]`, as a rule a pack laid out like the parameters.
    /// - `m`, `v`: state `f32[N]`, zero before the first step.
    /// - `time`: state, a flat u32 of at least 3 words, zero before the first step. Word 0 counts
    ///   the steps; words 1 and 2 hold the bits of the f32 1−β₁ᵗ and 1−β₂ᵗ.
    ///
    /// The βs mean the decimal numbers that they print as. Errors: shapes or types that
    /// do not fit, parameters, moments or time that are not state, options out of range.
    pub fn adam(
        &self,
        gradients: &Var,
        m: &Var,
        v: &Var,
        time: &Var,
        options: AdamOptions,
    ) -> Result<(), TapeError> {
        options.check()?;
        for (what, var) in [("the parameters", self), ("m", m), ("v", v), ("time", time)] {
            require_state("adam", what, var)?;
        }
        Var::record(Adam(options), &[self, gradients, m, v, time]).map(|_| ())
    }
}
