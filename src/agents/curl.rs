//! CURL (Laskin et al. 2020; SPEC.md A.5): SAC on random crops whose encoder also learns
//! to tell which of a batch's observations another crop shows.
//!
//! ```text
//! z      = encoder(crop(s))          of the critic, with its projection
//! z⁺     = target encoder(crop'(s))                                            no gradient
//! logits = z W z⁺ᵀ                   row i: how alike crop i and each other crop are
//! W, encoder  minimise  cross-entropy(logits, row i belongs to column i)
//! ```

use super::sac::{Batch, Sac, Trace, Turn};
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
    let Some(optimiser) = &learner.auxiliary else {
        return Err(TapeError::Option {
            op: "curl",
            message: "the learner has no bilinear form".to_string(),
        });
    };
    let z = |prefix: &str, pixels: &Var| {
        let encoder = learner.scope(tape, prefix).sub("encoder");
        Encoder::projection(&encoder, &Encoder::cnn(&encoder, pixels, &learner.shape)?)
    };
    let anchors = z("critic", obs)?;
    let positives = z("critic_target", positive)?.detach()?;
    let weight = learner.scope(tape, "curl").var("W")?;
    let logits = anchors
        .matmul(&weight)?
        .matmul_transposed(&positives, false, true)?;
    // No exponential overflows; the loss does not depend on it.
    let logits = logits.sub(&logits.max(1..2)?.detach()?)?;
    let loss = diagonal_cross_entropy(&logits)?;
    tape.watch("aux_loss", &loss)?;
    for (name, var) in [
        ("out.z_a", &anchors),
        ("out.z_pos", &positives),
        ("out.logits", &logits),
        ("loss.curl", &loss),
    ] {
        trace.push((name.to_string(), var.clone()));
    }
    let gradients = optimiser.step(tape, &learner.online, &loss)?;
    trace.extend((gradients.into_iter()).map(|(n, g)| (format!("grad.aux_step.{n}"), g)));
    Ok(())
}

/// Mean over the rows of f32[B, B], whose largest are 0, of log Σⱼ e^(row i, j) − (row i, i).
fn diagonal_cross_entropy(logits: &Var) -> Result<Var, TapeError> {
    let side = logits.shape()[0];
    let mut identity = vec![0.0; side * side];
    identity.iter_mut().step_by(side + 1).for_each(|d| *d = 1.0);
    let diagonal = logits.mul(&logits.constant_like(&[side, side], &identity))?;
    // At least 1: the largest of a row contributes that.
    let sum = logits.exp()?.sum(1..2)?;
    let each = sum.unary(UnaryKind::Log)?.sub(&diagonal.sum(1..2)?)?;
    each.mean_all()
}
