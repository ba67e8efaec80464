//! SVEA (Hansen et al. 2021; SPEC.md A.5): SAC whose critic has to reach the same target
//! from an observation and from its augmentation. The target is never augmented, and
//! neither is what the actor sees.
//!
//! ```text
//! y      = as in SAC, of s'                                                    no gradient
//! critic   minimises  α Σᵢ MSE(Qᵢ(s, a), y) + β Σᵢ MSE(Qᵢ(overlay(s), a), y)
//! ```

use super::sac::{Batch, Sac, Trace, Turn};
use crate::ops::{TapeError, Var};

/// SVEA's own settings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SveaOptions {
    /// α: weight of the loss on observations as they are (0.5).
    pub alpha: f32,
    /// β: weight of the loss on augmented ones (0.5).
    pub beta: f32,
}

/// Records one whole update: the critic on both halves, then the turns of SAC.
/// `augmented` are the batch's observations, augmented.
///
/// # Errors
/// Shapes that do not fit.
pub fn update(
    sac: &Sac,
    batch: &Batch,
    augmented: &Var,
    turn: Turn,
    options: SveaOptions,
) -> Result<Trace, TapeError> {
    let mut trace = vec![];
    let y = sac.target(batch, &mut trace)?;
    let loss = match options.alpha == options.beta {
        // One pass through the networks for both halves. The mean over twice the samples
        // is half the sum of both means: hence α + β.
        true => {
            let twice = |x: &Var| Var::concat(&[x, x], 0);
            let obs = Var::concat(&[&batch.obs, augmented], 0)?;
            let q = sac.q(&sac.features(&obs)?, &twice(&batch.action)?)?;
            let td = sac.td_loss(&q, &twice(&y)?, &mut trace)?;
            td.scale(options.alpha + options.beta)?
        }
        false => {
            let mut of = |obs: &Var| -> Result<Var, TapeError> {
                let q = sac.q(&sac.features(obs)?, &batch.action)?;
                sac.td_loss(&q, &y, &mut trace)
            };
            let plain = of(&batch.obs)?.scale(options.alpha)?;
            plain.add(&of(augmented)?.scale(options.beta)?)?
        }
    };
    sac.critic_step(&loss, &mut trace)?;
    if turn.actor {
        let features = sac.features(&batch.obs)?;
        sac.actor_and_temperature_step(&features, &batch.actor_noise, &mut trace)?;
    }
    if turn.targets {
        sac.learner.update_targets(sac.tape)?;
    }
    Ok(trace)
}
