//! SODA (Hansen and Wang 2021; SPEC.md A.5, J): SAC on random crops, and a phase of its own
//! in which the encoder learns that a picture laid over an observation changes nothing.
//!
//! ```text
//! x₀ = overlay(crop(s))    x₁ = crop'(s)       s: drawn anew from the replay, more of them
//! h₀ = predictor(embedding(CNN(x₀)))
//! h₁ = target embedding(target CNN(x₁))                                        no gradient
//! CNN, embedding, predictor  minimise  mean (h₀/|h₀| − h₁/|h₁|)²
//! target     θ̄ ← τ θ + (1 − τ) θ̄         of all parameters, every time
//! ```
//!
//! SVEA + SODA is SVEA's update of the critic and this phase (A.5: no code of it was
//! published). What both need is inferred: SVEA's observations are the random crops that
//! SODA's agent sees, and each phase draws its own pictures.

use super::sac::{Sac, Trace, name};
use crate::nn::{Encoder, SodaNetwork};
use crate::ops::{TapeError, UnaryKind, Var};

/// Least length that a vector is divided by when it is normalised (SPEC.md J).
const NORMALISE_EPS: f32 = 1e-12;

/// Two views of each observation of the phase's batch, f32[B, 3F, H, W] in 0..255.
#[derive(Debug, Clone)]
pub struct SodaViews {
    /// Cropped.
    pub clean: Var,
    /// Cropped elsewhere, with a picture laid over or convolved at random.
    pub augmented: Var,
}

/// Records the phase: an Adam step over CNN and perceptrons, then the target's.
///
/// # Errors
/// Shapes that do not fit; a learner without SODA's networks.
pub fn auxiliary_step(sac: &Sac, views: &SodaViews, trace: &mut Trace) -> Result<(), TapeError> {
    let (learner, tape) = (sac.learner, sac.tape);
    let optimiser = learner.auxiliary_of("soda", "predictor")?;
    let predictor = learner.scope(tape, "predictor");
    let critic = learner.scope(tape, "critic");
    let features = Encoder::cnn(&critic.sub("encoder"), &views.augmented, &learner.shape)?;
    let h0 = SodaNetwork::predict(&predictor, &SodaNetwork::embed(&predictor, &features)?)?;
    let target = learner.scope(tape, "predictor_target");
    let h1 = SodaNetwork::target(&target, &views.clean, &learner.shape)?.detach()?;
    let (unit0, unit1) = (normalised(&h0)?, normalised(&h1)?);
    let loss = unit0.mse(&unit1)?;
    for (label, var) in [
        ("out.h0", &h0),
        ("out.h1", &h1),
        ("out.h0_normalized", &unit0),
        ("out.h1_normalized", &unit1),
        ("loss.soda", &loss),
    ] {
        name(trace, label, var);
    }
    learner.auxiliary_step(tape, optimiser, &loss, trace)?;
    learner.update_predictor_target(tape)
}

/// Rows of f32[B, N] at length 1.
fn normalised(x: &Var) -> Result<Var, TapeError> {
    let length = x
        .unary(UnaryKind::Square)?
        .sum(1..2)?
        .unary(UnaryKind::Sqrt)?;
    x.div(&length.maximum(&x.constant_like(&[1], &[NORMALISE_EPS]))?)
}
