//! CURL (Laskin et al. 2020; SPEC.md A.5): SAC on random crops whose encoder also learns
//! to tell which of a batch's observations another crop shows.
//!
//! ```text
//! z      = encoder(crop(s))          of the critic, with its projection
//! z⁺     = target encoder(crop'(s))                                            no gradient
//! logits = z W z⁺ᵀ                   row i: how alike crop i and each other crop are
//! W, encoder  minimise  cross-entropy(logits, row i belongs to column i)
//! ```

use super::sac::{Batch, Sac, Trace, Turn, name};
use crate::nn::Encoder;
use crate::ops::{TapeError, UnaryKind, Var};

/// Records one whole update: that of SAC, then the contrast, by the networks as they are
/// after it. `positive` are other crops of the batch's observations.
///
/// # Errors
/// Shapes that do not fit.
pub fn update(sac: &Sac, batch: &Batch, positive: &Var, turn: Turn) -> Result<Trace, TapeError> {
    let mut trace = sac.update(batch, turn)?;
    if turn.auxiliary {
        contrast_step(sac, &batch.obs, positive, &mut trace)?;
    }
    Ok(trace)
}

/// Records the Adam step over CNN, critic's projection and W.
///
/// # Errors
/// Shapes that do not fit; a learner without W.
pub fn contrast_step(
    sac: &Sac,
    obs: &Var,
    positive: &Var,
    trace: &mut Trace,
) -> Result<(), TapeError> {
    let (learner, tape) = (sac.learner, sac.tape);
    let optimiser = learner.auxiliary_of("curl", "bilinear form")?;
    let z = |prefix: &str, pixels: &Var| {
        let encoder = learner.scope(tape, prefix).sub("encoder");
        Encoder::projection(&encoder, &Encoder::cnn(&encoder, pixels, &learner.shape)?)
    };
    let anchors = z("critic", obs)?;
    let positives = z("critic_target", positive)?.detach()?;
    let weight = learner.scope(tape, "curl").var("W")?;
    let seen = anchors.matmul(&weight)?;
    let logits = seen.matmul_transposed(&positives, false, true)?;
    // No exponential overflows; the loss does not depend on it.
    let most = logits.max(1..2)?.detach()?;
    let logits = logits.sub(&most)?;
    // The diagonal alone, without a matrix of as many elements to pick it out.
    let own = seen.mul(&positives)?.sum(1..2)?.sub(&most)?;
    // At least 1: the largest of a row contributes that.
    let sum = logits.exp()?.sum(1..2)?;
    let loss = sum.unary(UnaryKind::Log)?.sub(&own)?.mean_all()?;
    for (label, var) in [
        ("out.z_a", &anchors),
        ("out.z_pos", &positives),
        ("out.logits", &logits),
        ("loss.curl", &loss),
    ] {
        name(trace, label, var);
    }
    learner.auxiliary_step(tape, optimiser, &loss, trace)
}
