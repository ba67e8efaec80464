//! PAD, policy adaptation during deployment (Hansen et al. 2021; SPEC.md A.5): SAC on random
//! crops whose convolutions also learn which action led from one observation to the next.
//! That needs no reward: it goes on where the agent is deployed.
//!
//! ```text
//! shared CNN ─┬─ head CNN ─ projections ─ actor, Q1, Q2
//!             └─ head CNN' ─ projection' ─ z;   â = MLP(z(s), z(s'))
//! shared CNN, head CNN', projection', MLP  minimise  MSE(â, a)
//!
//! at test time, after each step: once more, on 32 random crops of (s, a, s'), by an Adam
//! that begins with the episode; after the episode everything is as it was
//! ```

use super::agent::Agent;
use super::batches::{Gathering, Randomness};
use super::observations::Observations;
use super::sac::{Batch, Sac, Trace, Turn, name};
use crate::Error;
use crate::gpu::{Arena, ArenaLayout, BufferRange};
use crate::nn::{Encoder, InverseDynamics, Optimiser};
use crate::ops::{DType, TapeError, Tensor, Var};
use crate::tape::{Program, Tape};

/// Crops of a moment that it is adapted to (SPEC.md A.5).
const COPIES: usize = 32;
/// What a learner needs for that.
const PART: &str = "inverse dynamics";

/// Records one whole update: that of SAC, then the inverse dynamics', by the networks as
/// they are after it.
///
/// # Errors
/// Shapes that do not fit.
pub fn update(sac: &Sac, batch: &Batch, turn: Turn) -> Result<Trace, TapeError> {
    let mut trace = sac.update(batch, turn)?;
    if turn.auxiliary {
        let optimiser = sac.learner.auxiliary_of("pad", PART)?;
        let pair = [&batch.obs, &batch.next_obs];
        let loss = dynamics_loss(sac, pair, &batch.action, &mut trace)?;
        (sac.learner).auxiliary_step(sac.tape, optimiser, &loss, &mut trace)?;
    }
    Ok(trace)
}

/// Records the mean squared error of the actions that shared CNN and inverse dynamics say
/// lie between observations, f32[B, 3F, H, W] in 0..255, of the `action` f32[B, |A|] that
/// did.
///
/// # Errors
/// Shapes that do not fit.
pub fn dynamics_loss(
    sac: &Sac,
    [obs, next_obs]: [&Var; 2],
    action: &Var,
    trace: &mut Trace,
) -> Result<Var, TapeError> {
    let (learner, tape) = (sac.learner, sac.tape);
    let encoder = learner.scope(tape, "critic").sub("encoder");
    let pixels = Var::concat(&[obs, next_obs], 0)?;
    let shared = Encoder::shared_cnn(&encoder, &pixels, &learner.shape)?;
    let head = learner.scope(tape, "pad_head");
    let predicted = InverseDynamics::forward(&head, &shared, &learner.shape)?;
    let loss = predicted.mse(action)?;
    name(trace, "out.predicted_action", &predicted);
    name(trace, "loss.pad", &loss);
    Ok(loss)
}

/// An agent that adapts itself to the episode that it is in. When it is dropped, the agent is
/// as it was before.
#[derive(Debug)]
pub struct Adaptation<'a> {
    agent: &'a Agent,
    optimiser: Optimiser,
    program: Program,
    /// What adapting moves, and what it was.
    moved: BufferRange,
    kept: BufferRange,
}

impl<'a> Adaptation<'a> {
    /// For moments in slots of `store`, which keeps what the agent's eye says.
    ///
    /// # Errors
    /// An agent without inverse dynamics; those of allocating and compiling.
    pub fn new(agent: &'a Agent, store: &Observations) -> Result<Adaptation<'a>, Error> {
        let (gpu, config) = (agent.gpu(), agent.config());
        let tape = Tape::new();
        let sac = agent.sac(&tape);
        let optimiser = sac.learner.auxiliary_of("pad", PART)?.fresh(gpu)?;
        let mut counted = ArenaLayout::default();
        counted.push("counter.adapt", &[1]);
        let counter = Arena::new(gpu, "count of adaptations", counted)?;
        let step = tape.state_range(&counter, 0..1, DType::U32);
        let from = Gathering { store, step: &step };
        let view = |input: &str, randomness| {
            let slots = tape.input(input, Tensor::u32(&[COPIES, config.frame_stack]));
            agent.cropped(&tape, &slots, from, randomness)
        };
        let obs = view("slots", Randomness::AdaptObs)?;
        let next_obs = view("next_slots", Randomness::AdaptNextObs)?;
        let action = Tensor::f32(&[COPIES, agent.learner().shape.action_dim]);
        let action = tape.input("action", action);
        let pair = [&obs, &next_obs];
        let loss = dynamics_loss(&sac, pair, &action, &mut vec![])?;
        let learner = agent.learner();
        learner.adam_step(&tape, &optimiser, "aux_step", &loss, &mut vec![])?;
        tape.output("loss", &loss);
        step.tick()?;
        let program = tape.compile(gpu)?;
        let moved = agent.learner().online.slice(optimiser.range());
        let kept = BufferRange::whole(&gpu.storage("parameters before adapting", moved.size)?);
        copy(agent, &moved, &kept);
        Ok(Adaptation {
            agent,
            optimiser,
            program,
            moved,
            kept,
        })
    }

    /// Begins an episode: as trained, with moments of zero.
    pub fn begin(&self) {
        copy(self.agent, &self.kept, &self.moved);
        let gpu = self.agent.gpu();
        let mut encoder = gpu.device().create_command_encoder(&Default::default());
        for arena in self.optimiser.arenas() {
            encoder.clear_buffer(&arena.whole().buffer, 0, None);
        }
        gpu.queue().submit([encoder.finish()]);
    }

    /// Adapts to one step: the slots of the stacks before and after it, oldest first, and
    /// the action between them.
    ///
    /// # Errors
    /// Numbers of slots or of actions that do not fit; those of the device.
    pub fn step(&self, slots: &[u32], next_slots: &[u32], action: &[f32]) -> Result<(), TapeError> {
        self.program.write("slots", &slots.repeat(COPIES))?;
        self.program
            .write("next_slots", &next_slots.repeat(COPIES))?;
        self.program.write("action", &action.repeat(COPIES))?;
        self.program.run()
    }

    /// [`Adaptation::step`], then the mean squared error of the predicted action before it.
    /// Waits for the device.
    ///
    /// # Errors
    /// Those of [`Adaptation::step`].
    pub fn loss(
        &self,
        slots: &[u32],
        next_slots: &[u32],
        action: &[f32],
    ) -> Result<f32, TapeError> {
        self.step(slots, next_slots, action)?;
        let loss: Vec<f32> = self.program.read_blocking("loss")?;
        Ok(loss.first().copied().unwrap_or_default())
    }
}

impl Drop for Adaptation<'_> {
    fn drop(&mut self) {
        copy(self.agent, &self.kept, &self.moved);
    }
}

fn copy(agent: &Agent, from: &BufferRange, to: &BufferRange) {
    let gpu = agent.gpu();
    let mut encoder = gpu.device().create_command_encoder(&Default::default());
    encoder.copy_buffer_to_buffer(&from.buffer, from.offset, &to.buffer, to.offset, from.size);
    gpu.queue().submit([encoder.finish()]);
}
