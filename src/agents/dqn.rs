//! Deep Q-networks (Mnih et al. 2015) with the target of double Q-learning (van Hasselt et
//! al. 2016), on the CNN and projection of SAC's critic (SPEC.md A.1).
//!
//! ```text
//! a'     = argmax Q(s', ·)                      plain DQN (double_q = false): argmax Q̄(s', ·)
//! y      = r + γ (1 − d) Q̄(s', a')                                            no gradient
//! critic   minimises  mean H(Q(s, a) − y)                       moves CNN, projection, Q
//! targets  θ̄ ← τ θ + (1 − τ) θ̄                                two rates: encoder, Q
//! acting   argmax Q(s, ·); at random with probability ε while it trains (exploration.rs)
//! ```
//!
//! H is Huber's loss: half the square up to an error of 1, its magnitude less ½ beyond. Its
//! gradient is the error clipped to ±1, which is what Mnih et al. do ("Training algorithm
//! for deep Q-networks"). Their target is a copy made every so many updates; here it moves a
//! little at a time, as that of the other agents does.

use super::choices::{greedy, one_hot};
use super::learner::Learner;
use super::sac::{Batch, Trace, Turn, critic_step, name};
use crate::nn::{Encoder, ValueHead};
use crate::ops::{TapeError, Var};
use crate::tape::Tape;

/// What the steps below share.
#[derive(Debug, Clone)]
pub struct Dqn<'a> {
    pub learner: &'a Learner,
    pub tape: &'a Tape,
    pub discount: f32,
    /// Whether the online network chooses what the target network values.
    pub double_q: bool,
}

impl Dqn<'_> {
    /// The Bellman target y, f32[B, 1], no gradient.
    pub fn target(&self, batch: &Batch, trace: &mut Trace) -> Result<Var, TapeError> {
        let shape = &self.learner.shape;
        let target = self.learner.scope(self.tape, "critic_target");
        let features = Encoder::features(&target.sub("encoder"), &batch.next_obs, shape)?;
        let values = ValueHead::forward(&target, &features, shape)?;
        let best = match self.double_q {
            true => {
                let online = self.q(&self.features(&batch.next_obs)?)?;
                name(trace, "out.next_q", &online);
                greedy(&online)?
            }
            false => greedy(&values)?,
        };
        let value = of_action(&values, &one_hot(&best, shape.action_dim)?)?;
        let discounted = value.mul(&batch.not_done)?.scale(self.discount)?;
        let y = batch.reward.add(&discounted)?.detach()?;
        name(trace, "out.target_q", &values);
        name(trace, "out.next_action", &best);
        name(trace, "out.y", &y);
        Ok(y)
    }

    /// The CNN's features of observations: see [`Encoder::features`].
    pub fn features(&self, obs: &Var) -> Result<Var, TapeError> {
        let critic = self.learner.scope(self.tape, "critic");
        Encoder::features(&critic.sub("encoder"), obs, &self.learner.shape)
    }

    /// Q of every action, f32[B, N], from features.
    pub fn q(&self, features: &Var) -> Result<Var, TapeError> {
        let critic = self.learner.scope(self.tape, "critic");
        ValueHead::forward(&critic, features, &self.learner.shape)
    }

    /// The mean of H(Q(s, a) − y), from Q of every action.
    pub fn td_loss(
        &self,
        values: &Var,
        action: &Var,
        y: &Var,
        trace: &mut Trace,
    ) -> Result<Var, TapeError> {
        let td = huber(&of_action(values, action)?, y)?;
        name(trace, "out.q", values);
        name(trace, "loss.td", &td);
        Ok(td)
    }

    /// Records one whole update: the critic always, targets where it is their turn.
    pub fn update(&self, batch: &Batch, turn: Turn) -> Result<Trace, TapeError> {
        let mut trace = vec![];
        let y = self.target(batch, &mut trace)?;
        let values = self.q(&self.features(&batch.obs)?)?;
        let loss = self.td_loss(&values, &batch.action, &y, &mut trace)?;
        critic_step(self.learner, self.tape, &loss, &mut trace)?;
        if turn.targets {
            self.learner.update_targets(self.tape)?;
        }
        Ok(trace)
    }
}

/// Q(s, a), f32[B, 1], of Q(s, ·) f32[B, N] and one-hot rows of the same shape.
pub fn of_action(values: &Var, action: &Var) -> Result<Var, TapeError> {
    values.mul(action)?.sum(1..2)
}

/// The mean of H(a − b): with m = min(|a − b|, 1), of ½m² + |a − b| − m.
pub fn huber(a: &Var, b: &Var) -> Result<Var, TapeError> {
    let error = a.sub(b)?.abs()?;
    let small = error.minimum(&error.constant_like(&[1], &[1.0]))?;
    let square = small.mul(&small)?.scale(0.5)?;
    square.add(&error)?.sub(&small)?.mean_all()
}
