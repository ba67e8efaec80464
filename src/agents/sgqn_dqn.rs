//! Saliency-guided Q-networks with discrete actions: SGQN (see [`super::sgqn`]) on DQN in
//! SAC's place, which Bertoin et al. 2022 name as future work.
//!
//! ```text
//! M(s, a) = guided backpropagation of Q(s, a), the action that was taken, to the pixels
//! critic    minimises  TD of DQN + λ mean H(Q(s, a) − Q(s⊙mask, a))   both sides differentiated
//! auxiliary minimises  BCE(decoder(z(overlay(s)), one-hot a), mask)   mask from the updated critic
//! ```
//!
//! Consistency is asked of the action taken alone: the mask is where its value comes from,
//! and another action's may come from what this mask hides. Its error is measured as that of
//! the targets is, by H, so that λ weighs one against the other as it does in SGQN.

use super::dqn::{Dqn, huber, of_action};
use super::sac::{Trace, Turn, critic_step, name};
use super::sgqn::{SgqnBatch, SgqnOptions, auxiliary_step};
use crate::ops::TapeError;
use crate::saliency::{QuantileMask, attribution};
use crate::tape::Gradient;

/// Records one whole update, in the order of SPEC.md A.6.3.
///
/// # Errors
/// Shapes that do not fit; a learner without a decoder.
pub fn update(
    dqn: &Dqn,
    input: &SgqnBatch,
    turn: Turn,
    options: SgqnOptions,
) -> Result<Trace, TapeError> {
    let (batch, tape) = (&input.batch, dqn.tape);
    let frames = dqn.learner.shape.frame_stack;
    let mut trace = vec![];

    // TD error, and consistency under the critic's own mask.
    let y = dqn.target(batch, &mut trace)?;
    let values = dqn.q(&dqn.features(&batch.obs)?)?;
    let q = of_action(&values, &batch.action)?;
    let mut loss = dqn.td_loss(&values, &batch.action, &y, &mut trace)?;
    if options.consistency > 0.0 {
        let map = attribution(tape, &q, &batch.obs, Gradient::Guided)?;
        let looked = QuantileMask::record(&map, frames, options.rho)?;
        let masked_obs = batch.obs.mask_fill(&looked.mask, &input.fill)?;
        let masked = of_action(&dqn.q(&dqn.features(&masked_obs)?)?, &batch.action)?;
        let consistency = huber(&q, &masked)?;
        loss = loss.add(&consistency.scale(options.consistency)?)?;
        tape.watch("consistency_loss", &consistency)?;
        name(&mut trace, "out.mask", &looked.mask);
        name(&mut trace, "out.masked_q", &masked);
        name(&mut trace, "loss.consistency", &consistency);
    }
    critic_step(dqn.learner, tape, &loss, &mut trace)?;
    if turn.targets {
        dqn.learner.update_targets(tape)?;
    }
    if turn.auxiliary {
        // The updated critic looks again.
        let q = of_action(&dqn.q(&dqn.features(&batch.obs)?)?, &batch.action)?;
        let map = attribution(tape, &q, &batch.obs, Gradient::Guided)?;
        let after = QuantileMask::record(&map, frames, options.rho)?;
        auxiliary_step(dqn.learner, tape, input, &after.mask, &mut trace)?;
    }
    Ok(trace)
}
