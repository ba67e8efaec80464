//! Where an agent looks: attribution maps, masks, and the mask that it predicts
//! itself, for frame stacks of a store or for any pixels.

use super::agent::Agent;
use super::eye::Framing;
use super::observations::Observations;
use super::sgqn::predicted_mask;
use crate::Error;
use crate::config::Auxiliary;
use crate::gpu::{BufferRange, FrameStore};
use crate::nn::Actor;
use crate::ops::{TapeError, Var};
use crate::saliency::{QuantileMask, attribution};
use crate::tape::{Gradient, Program, Tape, Tensor};

/// What a picture of an agent's attention is made of, per observation.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// The observation itself, [3F, S, S] in 0..255.
    pub obs: Vec<f32>,
    /// The action taken: the policy's mean.
    pub action: Vec<f32>,
    /// Q1 of observation and action.
    pub q: f32,
    /// Attribution M of Q1 to the pixels, [3F, S, S], signed.
    pub map: Vec<f32>,
    /// Mask at quantile ρ, [F, S, S], 0 or 1.
    pub mask: Vec<f32>,
    /// Probability that a pixel is in the mask, as SGQN's decoder predicts it,
    /// [3F, S, S]; `None` for agents without a decoder.
    pub predicted: Option<Vec<f32>>,
}

/// A compiled explanation of `count` observations at a time.
#[derive(Debug)]
pub struct Explainer {
    program: Program,
    count: usize,
    has_decoder: bool,
}

/// The names of a recorded explanation's outputs.
const OUTPUTS: [&str; 5] = ["obs", "action", "q", "map", "mask"];

/// Records the explanation of what the agent's CNN sees, f32[B, C·F, S, S] in 0..255, and
/// names its outputs `obs`, `action`, `q`, `map`, `mask` and, for SGQN, `predicted`. Of
/// more planes than RGB (inputs `rgbs`) the first three are shown.
pub fn record(agent: &Agent, tape: &Tape, obs: &Var, rule: Gradient) -> Result<(), TapeError> {
    let (sac, shape) = (agent.sac(tape), &agent.learner().shape);
    let features = sac.features(obs)?;
    let raw = Actor::forward(&agent.learner().scope(tape, "actor"), &features, shape)?;
    let dim = shape.action_dim;
    let action = raw.slice(1, 0..dim)?.tanh()?.detach()?;
    let [q, _] = sac.q(&features, &action)?;
    let map = agent.eye().rgb(&attribution(tape, &q, obs, rule)?)?;
    let looked = QuantileMask::record(&map, shape.frame_stack, agent.config().rho as f32)?;
    tape.output("obs", &agent.eye().rgb(obs)?);
    tape.output("action", &action);
    tape.output("q", &q);
    tape.output("map", &map);
    tape.output("mask", &looked.mask);
    if has_decoder(agent) {
        tape.output("predicted", &predicted_mask(&sac, obs, &action)?.sigmoid()?);
    }
    Ok(())
}

/// Whether it predicts where it looks.
fn has_decoder(agent: &Agent) -> bool {
    agent.config().agent.auxiliary() == Some(Auxiliary::Mask)
}

impl Explainer {
    /// Explains frame stacks of `store`, given by their slots; the frames are those that
    /// [`Agent::eye`] asks for.
    ///
    /// # Errors
    /// [`Error::FrozenEncoder`] where no pixels reach the networks; those of compiling.
    pub fn of_stacks(
        agent: &Agent,
        store: &FrameStore,
        count: usize,
        rule: Gradient,
    ) -> Result<Explainer, Error> {
        if agent.eye().encoder().is_some() {
            return Err(Error::FrozenEncoder);
        }
        let tape = Tape::new();
        let slots = tape.input("slots", Tensor::u32(&[count, agent.config().frame_stack]));
        let store = Observations::Pixels(store.clone());
        let obs = agent.eye().see(&tape, &slots, &store, Framing::Centre)?;
        Explainer::compile(agent, &tape, &obs, count, rule)
    }

    /// Explains pixels as the agent's CNN sees them, f32[count, C·F, S, S] in 0..255.
    ///
    /// # Errors
    /// As [`Explainer::of_stacks`].
    pub fn of_pixels(agent: &Agent, count: usize, rule: Gradient) -> Result<Explainer, Error> {
        if agent.eye().encoder().is_some() {
            return Err(Error::FrozenEncoder);
        }
        let tape = Tape::new();
        let shape = &agent.learner().shape;
        let side = shape.image_size;
        let obs = tape.input(
            "pixels",
            Tensor::f32(&[count, shape.in_channels(), side, side]),
        );
        Explainer::compile(agent, &tape, &obs, count, rule)
    }

    fn compile(
        agent: &Agent,
        tape: &Tape,
        obs: &Var,
        count: usize,
        rule: Gradient,
    ) -> Result<Explainer, Error> {
        record(agent, tape, obs, rule)?;
        Ok(Explainer {
            program: tape.compile(agent.gpu())?,
            count,
            has_decoder: has_decoder(agent),
        })
    }

    /// Explains stacks given by slots [count · F], oldest first.
    pub fn explain_stacks(&self, slots: &[u32]) -> Result<Vec<Explanation>, Error> {
        self.program.write("slots", slots)?;
        self.run()
    }

    /// Explains pixels [count · 3F · S · S].
    pub fn explain_pixels(&self, pixels: &[f32]) -> Result<Vec<Explanation>, Error> {
        self.program.write("pixels", pixels)?;
        self.run()
    }

    fn run(&self) -> Result<Vec<Explanation>, Error> {
        self.program.run()?;
        let read = |name: &str| -> Result<Vec<Vec<f32>>, Error> {
            let values: Vec<f32> = self.program.read_blocking(name)?;
            let each = values.len() / self.count;
            Ok(values.chunks_exact(each).map(|c| c.to_vec()).collect())
        };
        let [obs, action, q, map, mask] = OUTPUTS.map(read);
        let (obs, action, q, map, mask) = (obs?, action?, q?, map?, mask?);
        let predicted = if self.has_decoder {
            Some(read("predicted")?)
        } else {
            None
        };
        Ok((0..self.count)
            .map(|i| Explanation {
                obs: obs[i].clone(),
                action: action[i].clone(),
                q: q[i][0],
                map: map[i].clone(),
                mask: mask[i].clone(),
                predicted: predicted.as_ref().map(|p| p[i].clone()),
            })
            .collect())
    }

    /// The compiled program, for embedding: its outputs are `obs`, `action`, `q`,
    /// `map`, `mask` and, for SGQN, `predicted`.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Where the device holds an output.
    pub fn output(&self, name: &str) -> Result<&BufferRange, Error> {
        Ok(&self.program.output_range(name)?.0)
    }
}
