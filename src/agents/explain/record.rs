//! What an explanation records on tapes.

use crate::agents::agent::Agent;
use crate::agents::sgqn::predicted_mask;
use crate::config::Auxiliary;
use crate::nn::Encoder;
use crate::ops::{TapeError, Var};
use crate::saliency::{GradCam, QuantileMask, attribution};
use crate::tape::{Gradient, Tape, Tensor};

/// Records the explanation of what the agent's CNN sees, f32[B, C·F, S, S] in 0..255, or of
/// frames as an environment draws them where the encoder is frozen, and names its outputs
/// `obs`, `action`, `q`, `map`, `mask` and, for SGQN, `predicted`. Of more planes than RGB
/// (inputs `rgbs`) the first three are shown.
pub fn record(agent: &Agent, tape: &Tape, obs: &Var, rule: Gradient) -> Result<(), TapeError> {
    let chosen = Chosen::record(agent, tape, obs)?;
    let map = attribution(tape, &chosen.q, obs, rule)?;
    outputs(agent, tape, &map)
}

/// [`record`] with Guided Grad-CAM of the agent's last convolution (SPEC.md E.3).
pub fn record_guided_gradcam(agent: &Agent, tape: &Tape, obs: &Var) -> Result<(), TapeError> {
    let chosen = Chosen::record(agent, tape, obs)?;
    let Some(maps) = &chosen.maps else {
        let op = "guided-gradcam";
        return Err(TapeError::NotDifferentiable { op });
    };
    let guided = attribution(tape, &chosen.q, obs, Gradient::Guided)?;
    let map = GradCam::record(tape, &chosen.q, maps)?.guide(&guided)?;
    outputs(agent, tape, &map)
}

/// Records what the agent does about `pixels`, as [`Explainer::of_pixels`] takes them, and
/// names the outputs `seen` (the pixels), `obs`, `action`, `q` and, for SGQN, `predicted`.
///
/// [`Explainer::of_pixels`]: super::Explainer::of_pixels
pub(super) fn choice(agent: &Agent, tape: &Tape, pixels: &Var) -> Result<(), TapeError> {
    Chosen::record(agent, tape, pixels)?;
    tape.output("seen", pixels);
    Ok(())
}

/// Records Q1 (or DQN's Q) of changed pictures [B, C·F, S, S] and one action, input `action`
/// f32[1, |A|]: f32[B, 1].
pub(super) fn value(agent: &Agent, tape: &Tape, changed: &Var) -> Result<Var, TapeError> {
    let (count, dim) = (changed.shape()[0], agent.action_dim());
    let action = tape.input("action", Tensor::f32(&[1, dim]));
    let (features, _) = features(agent, tape, changed)?;
    agent.worth(tape, &features, &action.broadcast_to(&[count, dim])?)
}

/// Records the outputs `map` and `mask` of a black box's map f32[G, S, S], G = 1 or F: every
/// channel has the map of its group.
pub(super) fn spread(agent: &Agent, tape: &Tape, map: &Var) -> Result<(), TapeError> {
    let frames = agent.config().frame_stack;
    let [groups, height, width] = [0, 1, 2].map(|i| map.shape()[i]);
    let per_channel = (map.reshape(&[groups, 1, height, width])?)
        .broadcast_to(&[groups, 3, height, width])?
        .reshape(&[1, 3 * groups, height, width])?;
    let map = match groups == frames {
        true => per_channel,
        false => per_channel
            .broadcast_to(&[frames, 3, height, width])?
            .reshape(&[1, 3 * frames, height, width])?,
    };
    outputs(agent, tape, &map)
}

/// Whether the agent has a decoder that predicts the mask.
pub(super) fn predicts(agent: &Agent) -> bool {
    agent.config().agent.auxiliary() == Some(Auxiliary::Mask) && agent.eye().encoder().is_none()
}

/// What the agent would do.
struct Chosen {
    q: Var,
    /// The last convolution's output; none where the encoder is frozen.
    maps: Option<Var>,
}

impl Chosen {
    /// Names the outputs `obs`, `action`, `q` and `predicted`.
    fn record(agent: &Agent, tape: &Tape, pixels: &Var) -> Result<Chosen, TapeError> {
        let (features, maps) = features(agent, tape, pixels)?;
        let decision = agent.decide(tape, &features)?;
        tape.output("obs", &agent.eye().rgb(pixels)?);
        tape.output("action", &decision.action);
        tape.output("q", &decision.q);
        if predicts(agent) {
            let logits = predicted_mask(agent.learner(), tape, pixels, &decision.taken)?;
            tape.output("predicted", &logits.sigmoid()?);
        }
        Ok(Chosen {
            q: decision.q,
            maps,
        })
    }
}

/// What actor and critics share of pixels, and the maps of the CNN where there is one.
fn features(agent: &Agent, tape: &Tape, pixels: &Var) -> Result<(Var, Option<Var>), TapeError> {
    if agent.eye().encoder().is_some() {
        return Ok((agent.look(tape, pixels)?, None));
    }
    let shape = &agent.learner().shape;
    let encoder = agent.learner().scope(tape, "critic").sub("encoder");
    let maps = Encoder::cnn(&encoder, pixels, shape)?;
    let features = Encoder::features_of_maps(&encoder, &maps, shape)?;
    Ok((features, Some(maps)))
}

/// Names the outputs `map` and `mask` of an attribution in the shape of what is seen.
fn outputs(agent: &Agent, tape: &Tape, map: &Var) -> Result<(), TapeError> {
    let (config, map) = (agent.config(), agent.eye().rgb(map)?);
    let looked = QuantileMask::record(&map, config.frame_stack, config.rho as f32)?;
    tape.output("map", &map);
    tape.output("mask", &looked.kept(tape)?);
    Ok(())
}
