//! What an agent would do, and what it thinks that is worth: where agents with a policy
//! and agents that choose differ once they have learned.

use super::agent::Agent;
use super::choices::{greedy, one_hot};
use super::dqn;
use crate::nn::Actor;
use crate::ops::{TapeError, Var};
use crate::tape::Tape;

/// What is done without exploring.
pub(super) struct Decision {
    /// As the environment takes it, f32[B, |A|]: the policy's mean, or the action of the
    /// largest Q.
    pub action: Var,
    /// As the networks take it: `action` itself, or its one-hot row f32[B, N].
    pub taken: Var,
    /// Q1 of it, or Q, f32[B, 1].
    pub q: Var,
}

impl Agent {
    /// Records what is done upon features (see [`Encoder::features`]). No gradient flows
    /// through the choice.
    ///
    /// [`Encoder::features`]: crate::nn::Encoder::features
    pub(super) fn decide(&self, tape: &Tape, features: &Var) -> Result<Decision, TapeError> {
        if let Some(choices) = self.choices() {
            let values = self.dqn(tape).q(features)?;
            let best = greedy(&values)?;
            let taken = one_hot(&best, choices.count())?;
            return Ok(Decision {
                action: choices.action_of(&best)?,
                q: dqn::of_action(&values, &taken)?,
                taken,
            });
        }
        let (sac, shape) = (self.sac(tape), &self.learner().shape);
        let raw = Actor::forward(&self.learner().scope(tape, "actor"), features, shape)?;
        let action = raw.slice(1, 0..shape.action_dim)?.tanh()?.detach()?;
        let [q, _] = sac.q(features, &action)?;
        Ok(Decision {
            taken: action.clone(),
            action,
            q,
        })
    }

    /// Records Q1, or Q, f32[B, 1] of features and actions as the environment takes them,
    /// f32[B, |A|].
    pub(super) fn worth(
        &self,
        tape: &Tape,
        features: &Var,
        action: &Var,
    ) -> Result<Var, TapeError> {
        match self.choices() {
            Some(choices) => {
                dqn::of_action(&self.dqn(tape).q(features)?, &choices.one_hot(action)?)
            }
            None => {
                let [q, _] = self.sac(tape).q(features, action)?;
                Ok(q)
            }
        }
    }
}
