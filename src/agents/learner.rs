//! What a pixel-SAC agent learns with: parameters, target networks and optimisers,
//! each in an arena. Every optimiser's parameters are one contiguous range:
//!
//! ```text
//! | its own | shared CNN | head | critic projection | Q1 | Q2 | actor | log α |
//! |<-------- auxiliary: SGQN, CURL -------->|
//! |<----- SODA ------->|
//! |<---- PAD ---->|
//!           |<----------------- critic ---------------->| <actor>  <temperature>
//!           |<-------- target: τ encoder -->|<-τ critic->|
//! ```
//!
//! The auxiliary phase's own networks come first: SGQN's decoder, CURL's bilinear form,
//! SODA's perceptrons, PAD's head. Agents that choose (DQN) have one Q head, a value for each
//! action, in the place of Q1 and Q2, and neither actor nor α. A shared encoder (SPEC.md B.8) has no target; a frozen
//! one has no parameters here.

use std::ops::Range;

use super::sac::Trace;
use crate::config::Auxiliary;
use crate::gpu::{Arena, ArenaLayout, BufferRange, Gpu, GpuError};
use crate::nn::{
    Actor, Critic, Decoder, Encoder, Init, InverseDynamics, NetworkShape, Optimiser,
    ParameterLayout, Scope, SodaNetwork, ValueHead,
};
use crate::ops::{AdamOptions, DType, EmaSegment, TapeError, Var};
use crate::tape::Tape;

/// Learning rates, momenta, averaging rates (SPEC.md A.2).
#[derive(Debug, Clone, PartialEq)]
pub struct LearnerOptions {
    pub seed: u64,
    pub critic_lr: f32,
    pub critic_beta: f32,
    pub actor_lr: f32,
    pub actor_beta: f32,
    pub alpha_lr: f32,
    pub alpha_beta: f32,
    pub aux_lr: f32,
    pub aux_beta: f32,
    pub init_temperature: f32,
    pub critic_tau: f32,
    pub encoder_tau: f32,
    /// EMA rate of SODA's target.
    pub soda_tau: f32,
    /// What is learned in a phase with an optimiser of its own.
    pub auxiliary: Option<Auxiliary>,
    /// Whether one Q head values every action (DQN), without actor and temperature.
    pub chooses: bool,
}

/// Parameters, targets, optimisers.
#[derive(Debug, Clone)]
pub struct Learner {
    pub shape: NetworkShape,
    /// Online parameters, names as in the released code.
    pub online: Arena,
    /// `critic_target.*`.
    pub target: Arena,
    pub critic: Optimiser,
    /// None for agents that choose.
    pub actor: Option<Optimiser>,
    pub temperature: Option<Optimiser>,
    pub auxiliary: Option<Optimiser>,
    /// `predictor_target.*`: SODA's perceptrons and a CNN of their own.
    pub predictor_target: Option<Arena>,
    segments: Vec<EmaSegment>,
    soda_tau: f32,
}

impl Learner {
    /// Allocates and initialises everything; targets start as copies.
    pub fn new(
        gpu: &Gpu,
        shape: &NetworkShape,
        options: &LearnerOptions,
    ) -> Result<Learner, GpuError> {
        let mut p = ParameterLayout::default();
        match options.auxiliary {
            Some(Auxiliary::Mask) => Decoder::push(&mut p, shape),
            Some(Auxiliary::Contrast) => {
                let z = shape.projection_dim;
                p.push("curl.W".to_string(), &[z, z], Init::UnitInterval);
            }
            Some(Auxiliary::Soda) => SodaNetwork::push(&mut p, shape),
            Some(Auxiliary::InverseDynamics) => InverseDynamics::push(&mut p, shape),
            None => {}
        }
        let cnn = p.mark();
        Encoder::push_cnn(&mut p, "critic.encoder", shape);
        let head = p.mark();
        Encoder::push_head(&mut p, "critic.encoder", shape);
        let projection = p.mark();
        Encoder::push_projection(&mut p, "critic.encoder", shape);
        let trunks = p.mark();
        let acts = !options.chooses;
        match acts {
            true => Critic::push_trunks(&mut p, "critic", shape),
            false => ValueHead::push(&mut p, "critic", shape),
        }
        let actor = p.mark();
        if acts {
            Actor::push(&mut p, shape);
        }
        let temperature = p.mark();
        if acts {
            p.push(
                "log_alpha".to_string(),
                &[1],
                Init::Constant(options.init_temperature.ln()),
            );
        }
        let end = p.mark();

        let online = p.allocate(gpu, "parameters", options.seed)?;
        let target_start = match shape.shared_encoder {
            true => trunks,
            false => cnn,
        };
        let targets = target_start..actor;
        let target_layout = p.sub_layout(targets.clone(), |n| {
            n.replacen("critic.", "critic_target.", 1)
        });
        let target = copy_of(gpu, "target parameters", target_layout, &online, targets)?;
        // All that SODA trains: its own networks and the CNN.
        let predictor = 0..projection;
        let predictor_target = match options.auxiliary {
            Some(Auxiliary::Soda) => {
                let layout = p.sub_layout(predictor.clone(), |n| match n.strip_prefix("critic.") {
                    Some(of_encoder) => format!("predictor_target.{of_encoder}"),
                    None => n.replacen("predictor.", "predictor_target.", 1),
                });
                let label = "target of the predictor";
                Some(copy_of(gpu, label, layout, &online, predictor.clone())?)
            }
            _ => None,
        };

        let adam = |lr, beta1| AdamOptions {
            lr,
            beta1,
            beta2: 0.999,
            ..Default::default()
        };
        let critic_adam = adam(options.critic_lr, options.critic_beta);
        let actor_adam = adam(options.actor_lr, options.actor_beta);
        let alpha_adam = adam(options.alpha_lr, options.alpha_beta);
        let aux_adam = adam(options.aux_lr, options.aux_beta);
        let optimiser = |name: &str, range, options| Optimiser::new(gpu, name, &p, range, options);
        let segment = |range: Range<usize>, tau| EmaSegment {
            target: range.start - target_start..range.end - target_start,
            online: range,
            tau,
        };
        Ok(Learner {
            shape: shape.clone(),
            critic: optimiser("critic_optimizer", cnn..actor, critic_adam)?,
            actor: acts
                .then(|| optimiser("actor_optimizer", actor..temperature, actor_adam))
                .transpose()?,
            temperature: acts
                .then(|| optimiser("log_alpha_optimizer", temperature..end, alpha_adam))
                .transpose()?,
            auxiliary: match options.auxiliary {
                Some(Auxiliary::Mask | Auxiliary::Contrast) => {
                    Some(optimiser("aux_optimizer", 0..trunks, aux_adam)?)
                }
                Some(Auxiliary::Soda) => Some(optimiser("aux_optimizer", predictor, aux_adam)?),
                Some(Auxiliary::InverseDynamics) => {
                    Some(optimiser("aux_optimizer", 0..head, aux_adam)?)
                }
                None => None,
            },
            predictor_target,
            soda_tau: options.soda_tau,
            segments: [
                segment(target_start..trunks, options.encoder_tau),
                segment(trunks..actor, options.critic_tau),
            ]
            .into_iter()
            .filter(|segment| !segment.online.is_empty())
            .collect(),
            online,
            target,
        })
    }

    /// Records an Adam step of one of the optimisers, or of a fresh one of the same
    /// parameters. The trace gets the gradients as `grad.STEP.PARAMETER`.
    pub fn adam_step(
        &self,
        tape: &Tape,
        optimiser: &Optimiser,
        step: &str,
        loss: &Var,
        trace: &mut Trace,
    ) -> Result<(), TapeError> {
        let gradients = optimiser.step(tape, &self.online, loss)?;
        let named = gradients.into_iter();
        trace.extend(named.map(|(n, g)| (format!("grad.{step}.{n}"), g)));
        Ok(())
    }

    /// The optimiser of the auxiliary phase of agent `op`, which trains `part`.
    ///
    /// # Errors
    /// [`TapeError::Option`] where there is no such part.
    pub fn auxiliary_of(&self, op: &'static str, part: &str) -> Result<&Optimiser, TapeError> {
        self.auxiliary.as_ref().ok_or_else(|| TapeError::Option {
            op,
            message: format!("the learner has no {part}"),
        })
    }

    /// Records the Adam step of an auxiliary phase, its loss watched as `aux_loss`.
    pub fn auxiliary_step(
        &self,
        tape: &Tape,
        optimiser: &Optimiser,
        loss: &Var,
        trace: &mut Trace,
    ) -> Result<(), TapeError> {
        tape.watch("aux_loss", loss)?;
        self.adam_step(tape, optimiser, "aux_step", loss, trace)
    }

    /// Records θ̄ ← τθ + (1 − τ)θ̄ for encoder and critics, one dispatch.
    pub fn update_targets(&self, tape: &Tape) -> Result<(), TapeError> {
        whole(tape, &self.target).ema(&whole(tape, &self.online), &self.segments)
    }

    /// The same for all that SODA's target has, at its own rate; nothing without one.
    pub fn update_predictor_target(&self, tape: &Tape) -> Result<(), TapeError> {
        let Some(target) = &self.predictor_target else {
            return Ok(());
        };
        let all = EmaSegment {
            online: 0..target.layout().len(),
            target: 0..target.layout().len(),
            tau: self.soda_tau,
        };
        whole(tape, target).ema(&whole(tape, &self.online), &[all])
    }

    /// Parameters `prefix.*` (`critic`, `actor`, `critic_target`, …) on a tape.
    pub fn scope(&self, tape: &Tape, prefix: &str) -> Scope {
        let arena = match (prefix, &self.predictor_target) {
            ("critic_target", _) => &self.target,
            ("predictor_target", Some(target)) => target,
            _ => &self.online,
        };
        Scope::new(tape, arena, prefix)
    }

    /// Everything that training changes.
    fn arenas(&self) -> impl Iterator<Item = &Arena> {
        let optimisers = [
            Some(&self.critic),
            self.actor.as_ref(),
            self.temperature.as_ref(),
            self.auxiliary.as_ref(),
        ];
        let moments = optimisers.into_iter().flatten().flat_map(|o| o.arenas());
        let targets = [&self.target].into_iter().chain(&self.predictor_target);
        [&self.online].into_iter().chain(targets).chain(moments)
    }

    /// Bytes that it takes on the device.
    pub fn bytes(&self) -> u64 {
        self.arenas().map(Arena::bytes).sum()
    }

    /// Everything that training changes, tensor by tensor: (name, shape, place).
    /// Optimiser times are u32, all else f32.
    pub fn tensors(&self) -> Vec<(String, Vec<usize>, BufferRange)> {
        self.arenas()
            .flat_map(|arena| {
                let entries = arena.layout().entries().iter();
                entries.map(|e| (e.name.clone(), e.shape.clone(), arena.slice(e.range())))
            })
            .collect()
    }
}

/// All of an arena's elements.
fn whole(tape: &Tape, arena: &Arena) -> Var {
    tape.state_range(arena, 0..arena.layout().len(), DType::F32)
}

/// An arena that starts as a copy of a range of another one.
fn copy_of(
    gpu: &Gpu,
    label: &str,
    layout: ArenaLayout,
    online: &Arena,
    range: Range<usize>,
) -> Result<Arena, GpuError> {
    let copy = Arena::new(gpu, label, layout)?;
    let source = online.slice(range);
    let mut encoder = gpu.device().create_command_encoder(&Default::default());
    encoder.copy_buffer_to_buffer(
        &source.buffer,
        source.offset,
        &copy.whole().buffer,
        0,
        source.size,
    );
    gpu.queue().submit([encoder.finish()]);
    Ok(copy)
}
