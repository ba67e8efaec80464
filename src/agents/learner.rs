//! What a pixel-SAC agent learns with: parameters, target networks and optimisers,
//! each in an arena. Every optimiser's parameters are one contiguous range:
//!
//! ```text
//! | decoder | CNN | critic projection | Q1 | Q2 | actor | log α |
//! |<-------- auxiliary -------->|
//!           |<----------- critic ---------->| <actor>  <temperature>
//!           |<-- target: τ encoder -->|<-τ critic->|
//! ```
//!
//! A shared encoder (SPEC.md B.8) has no target; a frozen one has no parameters here.

use std::ops::Range;

use crate::gpu::{Arena, BufferRange, Gpu, GpuError};
use crate::nn::{
    Actor, Critic, Decoder, Encoder, Init, NetworkShape, Optimiser, ParameterLayout, Scope,
};
use crate::ops::{AdamOptions, DType, EmaSegment, TapeError};
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
    /// Whether there is an auxiliary decoder with its own optimiser (SGQN).
    pub auxiliary: bool,
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
    pub actor: Optimiser,
    pub temperature: Optimiser,
    pub auxiliary: Option<Optimiser>,
    segments: Vec<EmaSegment>,
}

impl Learner {
    /// Allocates and initialises everything; targets start as copies.
    pub fn new(
        gpu: &Gpu,
        shape: &NetworkShape,
        options: &LearnerOptions,
    ) -> Result<Learner, GpuError> {
        let mut p = ParameterLayout::default();
        if options.auxiliary {
            Decoder::push(&mut p, shape);
        }
        let cnn = p.mark();
        Encoder::push_cnn(&mut p, "critic.encoder", shape);
        Encoder::push_projection(&mut p, "critic.encoder", shape);
        let trunks = p.mark();
        Critic::push_trunks(&mut p, "critic", shape);
        let actor = p.mark();
        Actor::push(&mut p, shape);
        let temperature = p.mark();
        p.push(
            "log_alpha".to_string(),
            &[1],
            Init::Constant(options.init_temperature.ln()),
        );
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
        let target = Arena::new(gpu, "target parameters", target_layout)?;
        let source = online.slice(targets);
        let mut encoder = gpu.device().create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(
            &source.buffer,
            source.offset,
            &target.whole().buffer,
            0,
            source.size,
        );
        gpu.queue().submit([encoder.finish()]);

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
            actor: optimiser("actor_optimizer", actor..temperature, actor_adam)?,
            temperature: optimiser("log_alpha_optimizer", temperature..end, alpha_adam)?,
            auxiliary: match options.auxiliary {
                true => Some(optimiser("aux_optimizer", 0..trunks, aux_adam)?),
                false => None,
            },
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

    /// Records θ̄ ← τθ + (1 − τ)θ̄ for encoder and critics, one dispatch.
    pub fn update_targets(&self, tape: &Tape) -> Result<(), TapeError> {
        let whole = |arena: &Arena| tape.state_range(arena, 0..arena.layout().len(), DType::F32);
        whole(&self.target).ema(&whole(&self.online), &self.segments)
    }

    /// Parameters `prefix.*` (`critic`, `actor`, `critic_target`, …) on a tape.
    pub fn scope(&self, tape: &Tape, prefix: &str) -> Scope {
        let arena = if prefix == "critic_target" {
            &self.target
        } else {
            &self.online
        };
        Scope::new(tape, arena, prefix)
    }

    /// Everything that training changes.
    fn arenas(&self) -> impl Iterator<Item = &Arena> {
        let optimisers = [
            Some(&self.critic),
            Some(&self.actor),
            Some(&self.temperature),
            self.auxiliary.as_ref(),
        ];
        let moments = optimisers.into_iter().flatten().flat_map(|o| o.arenas());
        [&self.online, &self.target].into_iter().chain(moments)
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
