//! Soft actor-critic from pixels (SPEC.md A.1, A.4; Haarnoja et al. 2018).
//!
//! ```text
//! y      = r + γ (1 − d) (min Q̄(s', a') − α log π(a'|s')),  a' ~ π(s')      no gradient
//! critic   minimises  MSE(Q1(s, a), y) + MSE(Q2(s, a), y)                   moves CNN, projection, Q1, Q2
//! actor    minimises  mean(α log π(ã|s) − min Q(s, ã)),  ã ~ π(s)           CNN detached
//! α        minimises  mean(α (−log π(ã|s) − H̄)),  H̄ = −|A|
//! targets  θ̄ ← τ θ + (1 − τ) θ̄                                              two rates: encoder, critics
//! ```

use std::fmt;

use super::learner::Learner;
use crate::nn::{Actor, Critic, Encoder};
use crate::ops::{TapeError, Var};
use crate::tape::Tape;

/// Range of log σ (SPEC.md A.1).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PolicyRange {
    pub log_std_min: f32,
    pub log_std_max: f32,
}

/// A batch of transitions and the noise to use with it.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Frame stacks, f32[B, C·F, H, W] in 0..255, or embeddings, f32[B, F·width].
    pub obs: Var,
    pub next_obs: Var,
    /// f32[B, |A|]; for agents that choose one-hot rows f32[B, N].
    pub action: Var,
    /// f32[B, 1].
    pub reward: Var,
    /// f32[B, 1]: 0 where the task ended there, else 1 (time limits too).
    pub not_done: Var,
    /// Standard normal, f32[B, |A|]: for a' and for ã.
    pub next_noise: Var,
    pub actor_noise: Var,
}

/// What an update records besides its loss: names and values, for tests and for
/// people who look inside.
pub type Trace = Vec<(String, Var)>;

/// Discount and policy range: what the steps below share.
#[derive(Debug, Clone)]
pub struct Sac<'a> {
    pub learner: &'a Learner,
    pub tape: &'a Tape,
    pub discount: f32,
    pub policy: PolicyRange,
}

/// Notes a value in a trace.
pub(super) fn name(trace: &mut Trace, name: &str, var: &Var) {
    trace.push((name.to_string(), var.clone()));
}

impl Sac<'_> {
    /// α = exp(log α), no gradient.
    fn alpha(&self) -> Result<Var, TapeError> {
        self.tape
            .state(&self.learner.online, "log_alpha")?
            .exp()?
            .detach()
    }

    /// The Bellman target y, f32[B, 1], no gradient.
    pub fn target(&self, batch: &Batch, trace: &mut Trace) -> Result<Var, TapeError> {
        let shape = &self.learner.shape;
        let critic = self.learner.scope(self.tape, "critic");
        let features = Encoder::features(&critic.sub("encoder"), &batch.next_obs, shape)?;
        let raw = Actor::forward(&self.learner.scope(self.tape, "actor"), &features, shape)?;
        let next = raw.squashed_gaussian(
            &batch.next_noise,
            self.policy.log_std_min,
            self.policy.log_std_max,
        )?;
        let target = self.learner.scope(self.tape, "critic_target");
        let features = match shape.shared_encoder {
            true => features,
            false => Encoder::features(&target.sub("encoder"), &batch.next_obs, shape)?,
        };
        let [q1, q2] = Critic::forward(&target, &features, &next.action, shape)?;
        let soft_value = q1.minimum(&q2)?.sub(&next.log_prob.mul(&self.alpha()?)?)?;
        let discounted = soft_value.mul(&batch.not_done)?.scale(self.discount)?;
        let y = batch.reward.add(&discounted)?.detach()?;
        name(trace, "out.next_action", &next.action);
        name(trace, "out.next_log_pi", &next.log_prob);
        name(trace, "out.target_q1", &q1);
        name(trace, "out.target_q2", &q2);
        name(trace, "out.y", &y);
        Ok(y)
    }

    /// What actor and critics share of observations: see [`Encoder::features`].
    pub fn features(&self, obs: &Var) -> Result<Var, TapeError> {
        let critic = self.learner.scope(self.tape, "critic");
        Encoder::features(&critic.sub("encoder"), obs, &self.learner.shape)
    }

    /// Q1, Q2 of the online critic, from features.
    pub fn q(&self, features: &Var, action: &Var) -> Result<[Var; 2], TapeError> {
        let critic = self.learner.scope(self.tape, "critic");
        Critic::forward(&critic, features, action, &self.learner.shape)
    }

    /// MSE(Q1, y) + MSE(Q2, y).
    pub fn td_loss(
        &self,
        [q1, q2]: &[Var; 2],
        y: &Var,
        trace: &mut Trace,
    ) -> Result<Var, TapeError> {
        let (td1, td2) = (q1.mse(y)?, q2.mse(y)?);
        name(trace, "out.q1", q1);
        name(trace, "out.q2", q2);
        name(trace, "loss.td1", &td1);
        name(trace, "loss.td2", &td2);
        td1.add(&td2)
    }

    /// Records the critic's Adam step.
    pub fn critic_step(&self, loss: &Var, trace: &mut Trace) -> Result<(), TapeError> {
        critic_step(self.learner, self.tape, loss, trace)
    }

    /// Records the Adam steps of actor and temperature. `features` are those of the
    /// CNN as the critic's step left it; no gradient reaches it.
    pub fn actor_and_temperature_step(
        &self,
        features: &Var,
        noise: &Var,
        trace: &mut Trace,
    ) -> Result<(), TapeError> {
        let learner = self.learner;
        let (Some(actor), Some(temperature)) = (&learner.actor, &learner.temperature) else {
            return Err(TapeError::Option {
                op: "sac",
                message: "the learner has no actor".to_string(),
            });
        };
        let features = features.detach()?;
        let raw = Actor::forward(
            &learner.scope(self.tape, "actor"),
            &features,
            &learner.shape,
        )?;
        let sample =
            raw.squashed_gaussian(noise, self.policy.log_std_min, self.policy.log_std_max)?;
        let [q1, q2] = self.q(&features, &sample.action)?;
        let entropy_cost = sample.log_prob.mul(&self.alpha()?)?;
        let actor_loss = entropy_cost.sub(&q1.minimum(&q2)?)?.mean_all()?;
        // Target entropy −|A|; the policy's log-probability is a constant here.
        let excess = sample
            .log_prob
            .detach()?
            .affine(-1.0, learner.shape.action_dim as f32)?;
        let alpha = self.tape.state(&learner.online, "log_alpha")?.exp()?;
        let alpha_loss = excess.mul(&alpha)?.mean_all()?;
        let entropy = sample.log_prob.mean_all()?.scale(-1.0)?;
        for (label, scalar) in [
            ("actor_loss", &actor_loss),
            ("alpha_loss", &alpha_loss),
            ("entropy", &entropy),
        ] {
            self.tape.watch(label, scalar)?;
        }
        name(trace, "out.pi", &sample.action);
        name(trace, "out.log_pi", &sample.log_prob);
        name(trace, "out.actor_q1", &q1);
        name(trace, "out.actor_q2", &q2);
        name(trace, "loss.actor", &actor_loss);
        name(trace, "loss.alpha", &alpha_loss);
        // Both gradients are taken before either step.
        learner.adam_step(self.tape, actor, "actor_step", &actor_loss, trace)?;
        learner.adam_step(self.tape, temperature, "alpha_step", &alpha_loss, trace)
    }

    /// Records one whole update (SPEC.md A.4): the critic always, actor, temperature
    /// and targets where it is their turn.
    pub fn update(&self, batch: &Batch, turn: Turn) -> Result<Trace, TapeError> {
        let mut trace = vec![];
        let y = self.target(batch, &mut trace)?;
        let q = self.q(&self.features(&batch.obs)?, &batch.action)?;
        let loss = self.td_loss(&q, &y, &mut trace)?;
        self.critic_step(&loss, &mut trace)?;
        if turn.actor {
            let features = self.features(&batch.obs)?;
            self.actor_and_temperature_step(&features, &batch.actor_noise, &mut trace)?;
        }
        if turn.targets {
            self.learner.update_targets(self.tape)?;
        }
        Ok(trace)
    }
}

/// Records a critic's Adam step, whatever its loss is made of.
pub(super) fn critic_step(
    learner: &Learner,
    tape: &Tape,
    loss: &Var,
    trace: &mut Trace,
) -> Result<(), TapeError> {
    name(trace, "loss.critic", loss);
    tape.watch("critic_loss", loss)?;
    learner.adam_step(tape, &learner.critic, "critic_step", loss, trace)
}

/// Whose turn it is in an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Turn {
    pub actor: bool,
    pub targets: bool,
    pub auxiliary: bool,
}

/// `critic + actor + targets`: the critic's turn is always.
impl fmt::Display for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("critic")?;
        let parts = [
            (self.actor, "actor"),
            (self.targets, "targets"),
            (self.auxiliary, "auxiliary"),
        ];
        for (_, part) in parts.iter().filter(|(due, _)| *due) {
            write!(f, " + {part}")?;
        }
        Ok(())
    }
}
