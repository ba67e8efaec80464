//! Saliency-guided Q-networks (Bertoin et al. 2022; SPEC.md A.6): SAC whose critic
//! must give the same value when only what it looks at is left of the picture, and
//! whose encoder must predict where that is.
//!
//! ```text
//! M(s, a) = guided backpropagation of Q1 to the pixels                          E.2
//! mask    = per frame, |M| (maximum over channels) ≥ its ρ-quantile
//! s⊙mask  = s where the mask is 1, elsewhere one grey value per batch
//! critic    minimises  TD + λ Σᵢ MSE(Qᵢ(s, a), Qᵢ(s⊙mask, a))      both sides differentiated
//! auxiliary minimises  BCE(decoder(z(overlay(s)), a), mask)         mask from the updated critic
//! ```

use super::learner::Learner;
use super::sac::{Batch, Sac, Trace, Turn, name};
use crate::nn::{Decoder, Encoder};
use crate::ops::{TapeError, Var};
use crate::saliency::{QuantileMask, attribution};
use crate::tape::{Gradient, Tape};

/// SGQN's own settings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SgqnOptions {
    /// ρ: quantile of |M| above which a pixel is kept.
    pub rho: f32,
    /// λ: weight of the consistency term (0.5 in the released code).
    pub consistency: f32,
}

/// What SGQN needs beyond SAC's batch.
#[derive(Debug, Clone)]
pub struct SgqnBatch {
    pub batch: Batch,
    /// The grey value that replaces masked pixels, `f32[1]` in 0..255.
    pub fill: Var,
    /// Observations blended with pictures or convolved at random, f32[B, 3F, H, W]: what the
    /// auxiliary phase predicts the mask from, and what SVEA's critic learns from beside
    /// `batch.obs`.
    pub augmented: Var,
}

/// Records one whole update, in the order of SPEC.md A.6.3.
pub fn update(
    sac: &Sac,
    input: &SgqnBatch,
    turn: Turn,
    options: SgqnOptions,
) -> Result<Trace, TapeError> {
    let (batch, tape) = (&input.batch, sac.tape);
    let frames = sac.learner.shape.frame_stack;
    let mut trace = vec![];

    // Critic: TD error, and consistency under its own mask.
    let y = sac.target(batch, &mut trace)?;
    let q = sac.q(&sac.features(&batch.obs)?, &batch.action)?;
    let map = attribution(tape, &q[0], &batch.obs, Gradient::Guided)?;
    let looked = QuantileMask::record(&map, frames, options.rho)?;
    name(&mut trace, "out.mask", &looked.mask);
    name(&mut trace, "out.mask.threshold", &looked.threshold);
    let mut loss = sac.td_loss(&q, &y, &mut trace)?;
    // Without weight (the ablation) nothing of it is computed.
    if options.consistency > 0.0 {
        let masked_obs = batch.obs.mask_fill(&looked.mask, &input.fill)?;
        let masked_q = sac.q(&sac.features(&masked_obs)?, &batch.action)?;
        let consistency = [q[0].mse(&masked_q[0])?, q[1].mse(&masked_q[1])?];
        let sum = consistency[0].add(&consistency[1])?;
        loss = loss.add(&sum.scale(options.consistency)?)?;
        name(&mut trace, "out.masked_q1", &masked_q[0]);
        name(&mut trace, "out.masked_q2", &masked_q[1]);
        name(&mut trace, "loss.consistency1", &consistency[0]);
        name(&mut trace, "loss.consistency2", &consistency[1]);
        tape.watch("consistency_loss", &sum)?;
    }
    sac.critic_step(&loss, &mut trace)?;

    // The updated critic looks again; the actor shares its features.
    let features = sac.features(&batch.obs)?;
    let q = sac.q(&features, &batch.action)?;
    let map_after = attribution(tape, &q[0], &batch.obs, Gradient::Guided)?;
    let after = QuantileMask::record(&map_after, frames, options.rho)?;
    name(&mut trace, "out.mask_after", &after.mask);
    name(&mut trace, "out.mask_after.threshold", &after.threshold);
    name(&mut trace, "out.attribution_after", &map_after);
    name(
        &mut trace,
        "out.attribution_after.frame_absmax",
        &after.magnitude,
    );

    if turn.actor {
        sac.actor_and_temperature_step(&features, &batch.actor_noise, &mut trace)?;
    }
    if turn.targets {
        sac.learner.update_targets(tape)?;
    }
    if turn.auxiliary {
        auxiliary_step(sac.learner, tape, input, &after.mask, &mut trace)?;
    }
    Ok(trace)
}

/// The mask that the encoder predicts for pixels and action: logits f32[B, 3F, H, W]
/// (SPEC.md A.6.4).
pub fn predicted_mask(
    learner: &Learner,
    tape: &Tape,
    obs: &Var,
    action: &Var,
) -> Result<Var, TapeError> {
    let critic = learner.scope(tape, "critic");
    let features = Encoder::cnn(&critic.sub("encoder"), obs, &learner.shape)?;
    let z = Encoder::projection(&critic.sub("encoder"), &features)?;
    let decoder = learner.scope(tape, "attribution_predictor.decoder");
    Decoder::forward(&decoder, &z, action, &learner.shape)
}

/// Records the auxiliary Adam step over CNN, projection and decoder.
pub(super) fn auxiliary_step(
    learner: &Learner,
    tape: &Tape,
    input: &SgqnBatch,
    mask: &Var,
    trace: &mut Trace,
) -> Result<(), TapeError> {
    let optimiser = learner.auxiliary_of("sgqn", "decoder")?;
    let shape = &learner.shape;
    let logits = predicted_mask(learner, tape, &input.augmented, &input.batch.action)?;
    let (b, side) = (input.batch.obs.shape()[0], shape.image_size);
    let targets = mask
        .detach()?
        .reshape(&[b, shape.frame_stack, side, side])?;
    let loss = logits.bce_with_logits(&targets)?;
    name(trace, "out.aux_logits", &logits);
    name(trace, "loss.aux", &loss);
    learner.auxiliary_step(tape, optimiser, &loss, trace)
}
