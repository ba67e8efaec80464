//! `adam`: one optimiser step over all parameters of an arena (Kingma and Ba 2015),
//! in PyTorch's form: eps is added outside the root. With weight decay it is AdamW
//! (Loshchilov and Hutter 2019).

use super::state::{is_flat_f32, require_state};
use super::{DType, Lower, Op, TapeError, Tensor, Var, shape_error};

/// Words of the `time` state: the step count, two bias corrections, the learning rate.
const TIME_WORDS: usize = 4;

/// How the learning rate goes with the steps.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum Schedule {
    /// The same for ever.
    #[default]
    Constant,
    /// Along a straight line from 0 to `lr` in the first `warmup` steps, both ends among
    /// them, then along half a cosine to `last`, where it would arrive after `total`
    /// steps (SPEC.md B.5). Later steps take `last`.
    WarmupCosine { warmup: u32, total: u32, last: f32 },
}

impl Schedule {
    /// The learning rate of a step, counted from 0.
    pub fn lr(self, lr: f32, step: u32) -> f64 {
        let base = f64::from(lr);
        match self {
            Schedule::Constant => base,
            Schedule::WarmupCosine { warmup, .. } if step < warmup => {
                base * f64::from(step) / f64::from((warmup - 1).max(1))
            }
            Schedule::WarmupCosine {
                warmup,
                total,
                last,
            } => {
                let last = f64::from(last);
                let gone = f64::from((step.min(total)).saturating_sub(warmup));
                let part = gone / f64::from((total - warmup).max(1));
                last + 0.5 * (base - last) * (1.0 + (std::f64::consts::PI * part).cos())
            }
        }
    }
}

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
    /// Part of itself, times the learning rate, that a parameter loses in each step,
    /// apart from the gradients; finite, at least 0.
    pub weight_decay: f32,
    pub schedule: Schedule,
}

impl Default for AdamOptions {
    /// lr 1e-3 for ever, β 0.9 and 0.999, eps 1e-8, no weight decay.
    fn default() -> AdamOptions {
        AdamOptions {
            lr: 1e-3,
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            weight_decay: 0.0,
            schedule: Schedule::Constant,
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
        for (name, value) in [("lr", self.lr), ("weight_decay", self.weight_decay)] {
            if !(value.is_finite() && value >= 0.0) {
                return wrong(name, value, "finite and at least 0");
            }
        }
        for (name, beta) in [("beta1", self.beta1), ("beta2", self.beta2)] {
            if !(0.0..1.0).contains(&beta) {
                return wrong(name, beta, "at least 0 and below 1");
            }
        }
        if !(self.eps.is_finite() && self.eps > 0.0) {
            return wrong("eps", self.eps, "finite and positive");
        }
        if let Schedule::WarmupCosine {
            warmup,
            total,
            last,
        } = self.schedule
        {
            if !(last.is_finite() && last >= 0.0) {
                return wrong("the schedule's last rate", last, "finite and at least 0");
            }
            if warmup > total {
                return Err(TapeError::Option {
                    op: "adam",
                    message: format!("{warmup} steps of warm-up do not fit into {total}"),
                });
            }
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

/// Inputs: parameters, gradients, m, v (f32[N]), time (u32[≥ 4]).
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
                "parameters, gradients, m and v as flat f32 of one length, and a flat u32 of at least 4 words",
            )),
        }
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let [p, g, m, v, time] = [0, 1, 2, 3, 4].map(|i| cx.input(i));
        let rate_1 = complement(self.0.beta1);
        let rate_2 = complement(self.0.beta2);
        let (scheduled, warmup, total, last) = match self.0.schedule {
            Schedule::Constant => (false, 0, 0, self.0.lr),
            Schedule::WarmupCosine {
                warmup,
                total,
                last,
            } => (true, warmup, total, last),
        };
        cx.dispatch("adam/tick")
            .bind("time", &time)
            .f32("rate_1", rate_1)
            .f32("rate_2", rate_2)
            .f32("lr", self.0.lr)
            .u32("scheduled", scheduled as usize)
            .u32("warmup", warmup as usize)
            .u32("total", total as usize)
            .f32("last", last)
            .linear_groups(1)?;
        let (dispatch, count) = cx.pointwise("adam/step", p.tensor.len());
        dispatch
            .bind("p", &p)
            .bind("g", &g)
            .bind("m", &m)
            .bind("v", &v)
            .bind("time", &time)
            .u32("count", count)
            .f32("rate_1", rate_1)
            .f32("rate_2", rate_2)
            .f32("keep_2", self.0.beta2)
            .f32("eps", self.0.eps)
            .f32("weight_decay", self.0.weight_decay)
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
    /// self ← (1 − lr·weight_decay) self − lr/(1−β₁ᵗ) · m / (√v/√(1−β₂ᵗ) + eps) with t
    /// counted from 1.
    ///
    /// - `gradients`: `f32[N]`, as a rule a pack laid out like the parameters.
    /// - `m`, `v`: state `f32[N]`, zero before the first step.
    /// - `time`: state, a flat u32 of at least 4 words, zero before the first step. Word 0 counts
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
