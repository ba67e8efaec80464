//! What an agent does at random while it trains: everything until learning begins, and of
//! agents that choose a share of it afterwards (ε-greedy; Mnih et al. 2015). It is decided
//! by the run's seed and the agent step alone.

use super::agent::Agent;
use crate::ops::{Stream, TapeError};

/// Streams of the host's random numbers; those of the device are numbered from 0.
const RANDOM_ACTION: u32 = 0xAC7;
const EXPLORE: u32 = 0xE75;

impl Agent {
    /// What lines of training tell of how an agent step was explored: ε of agents that
    /// choose, which falls; of others nothing.
    pub fn exploration(&self, step: u64) -> Option<(&'static str, f64)> {
        (self.config().agent.chooses()).then(|| ("epsilon", self.config().epsilon(step)))
    }

    /// The action at random of an agent step, as the environment takes it: uniform over its
    /// components or over the choices. `None`: the agent acts as it thinks best.
    ///
    /// # Errors
    /// None that a configuration in its ranges could meet.
    pub fn random_action(&self, step: u64) -> Result<Option<Vec<f32>>, TapeError> {
        let stream = |stream| Stream {
            seed: self.config().seed,
            stream,
        };
        let counter = step as u32;
        let epsilon = self.config().epsilon(step);
        // Below 1, at least 0: it always happens at ε = 1, and never at 0.
        let drawn = stream(EXPLORE).uniform(counter, 1, 0.0, 1.0)?;
        if drawn.iter().any(|&u| f64::from(u) >= epsilon) {
            return Ok(None);
        }
        let stream = stream(RANDOM_ACTION);
        let Some(choices) = self.choices() else {
            let uniform = stream.uniform(counter, self.action_dim(), -1.0, 1.0)?;
            return Ok(Some(uniform));
        };
        let number = stream.integers(counter, 1, choices.count() as u32)?;
        Ok(number.first().map(|&n| choices.action(n as usize)))
    }
}
