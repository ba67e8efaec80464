//! An agent as a whole: its learner, its counters, and the compiled programs that act
//! and update.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use super::batches::{OverlayBank, Randomness};
use super::choices::Choices;
use super::curl;
use super::dqn::Dqn;
use super::eye::Eye;
use super::learner::{Learner, LearnerOptions};
use super::observations::Observations;
use super::pad;
use super::policy::Policy;
use super::replay::Replay;
use super::sac::{PolicyRange, Sac, Turn};
use super::sgqn::{self, SgqnOptions};
use super::sgqn_dqn;
use super::soda;
use super::standardiser::Standardiser;
use super::svea::{self, SveaOptions};
use crate::Error;
use crate::config::{AgentKind, Auxiliary, Config, LatentScale};
use crate::envs::ActionSpace;
use crate::gpu::{Arena, ArenaLayout, BufferRange, Gpu, GpuError};
use crate::nn::{Actor, NetworkShape};
use crate::ops::{DType, Framing, Stream, TapeError, Tensor, Var};
use crate::tape::{PlannedProgram, Profile, Program, Tape, Timer};

/// Sizes of the networks that a configuration asks for, on what `eye` sees. `action_dim`
/// is |A|, or how many actions there are to choose from.
pub fn network_shape(config: &Config, action_dim: usize, eye: &Eye) -> NetworkShape {
    let [first, second] = config.decoder_channels;
    NetworkShape {
        image_size: config.image_size,
        planes: eye.planes(),
        latent: eye.latent(),
        shared_encoder: config.shared_encoder,
        frame_stack: config.frame_stack,
        action_dim,
        num_shared_layers: config.num_shared_layers,
        num_head_layers: config.num_head_layers,
        num_filters: config.num_filters,
        projection_dim: config.projection_dim,
        hidden_dim: config.hidden_dim,
        decoder_channels: [config.num_filters, first, second],
        decoder_action: config.decoder_action,
    }
}

fn learner_options(config: &Config) -> LearnerOptions {
    LearnerOptions {
        seed: config.seed,
        critic_lr: config.critic_lr as f32,
        critic_beta: config.critic_beta as f32,
        actor_lr: config.actor_lr as f32,
        actor_beta: config.actor_beta as f32,
        alpha_lr: config.alpha_lr as f32,
        alpha_beta: config.alpha_beta as f32,
        aux_lr: config.aux_lr as f32,
        aux_beta: config.aux_beta as f32,
        init_temperature: config.init_temperature as f32,
        critic_tau: config.critic_tau as f32,
        encoder_tau: config.encoder_tau as f32,
        soda_tau: config.soda_tau as f32,
        auxiliary: config.agent.auxiliary(),
        chooses: config.agent.chooses(),
    }
}

impl Turn {
    /// Whose turn it is at an agent step (SPEC.md A.4).
    pub fn at(config: &Config, step: u64) -> Turn {
        let c = config;
        Turn {
            actor: !c.agent.chooses() && step.is_multiple_of(c.actor_update_freq),
            targets: step.is_multiple_of(c.critic_target_update_freq),
            auxiliary: c.agent.auxiliary().is_some() && step.is_multiple_of(c.aux_update_freq),
        }
    }

    /// Every turn that occurs, each once.
    pub fn all(config: &Config) -> Vec<Turn> {
        let c = config;
        let periods = [
            c.actor_update_freq,
            c.critic_target_update_freq,
            c.aux_update_freq,
        ];
        // A turn in which some are due occurs first at their least common multiple; one
        // beyond the numbers of steps never does.
        let mut turns: Vec<Turn> = (0..1 << periods.len())
            .filter_map(|due: usize| {
                let mut chosen = (0..periods.len()).filter(|i| due >> i & 1 == 1);
                chosen.try_fold(1, |step, i| least_common_multiple(step, periods[i]))
            })
            .map(|step| Turn::at(config, step))
            .collect();
        turns.sort_unstable();
        turns.dedup();
        turns
    }
}

/// `None` if it is beyond u64.
fn least_common_multiple(a: u64, b: u64) -> Option<u64> {
    let (mut x, mut y) = (a, b);
    while y != 0 {
        (x, y) = (y, x % y);
    }
    (a / x).checked_mul(b)
}

/// A learner with what it needs to act and to learn.
#[derive(Debug)]
pub struct Agent {
    gpu: Gpu,
    config: Config,
    eye: Eye,
    /// Where embeddings are not seen as they are.
    standardiser: Option<Standardiser>,
    /// Of agents that choose.
    choices: Option<Choices>,
    /// Numbers that name an action to the environment.
    action_dim: usize,
    learner: Learner,
    /// `counter.update` and `counter.act`: the steps of the random streams.
    counters: Arena,
    updates: BTreeMap<Turn, Update>,
    /// Updates that have run.
    ran: AtomicU64,
}

/// The update of a turn.
#[derive(Debug)]
struct Update {
    program: Program,
    /// Number, among the agent's updates from 1, of its latest run; 0 before any.
    last: AtomicU64,
}

impl Agent {
    /// A fresh agent for an environment with these actions; a number is that of continuous
    /// components. Its programs multiply in the configured precision. A pretrained encoder
    /// is read from where the configuration says.
    ///
    /// # Errors
    /// [`GpuError::NoF16`] on a device without, out of memory; those of reading an encoder,
    /// of [`Eye::frozen`] and of [`Choices::of_agent`].
    pub fn new(
        gpu: &Gpu,
        config: &Config,
        actions: impl Into<ActionSpace>,
    ) -> Result<Agent, Error> {
        Agent::with_eye(gpu, config, actions, Eye::open(gpu, config)?)
    }

    /// [`Agent::new`] with an eye that is there already.
    ///
    /// # Errors
    /// [`GpuError::NoF16`] on a device without, out of memory; those of
    /// [`Choices::of_agent`].
    pub fn with_eye(
        gpu: &Gpu,
        config: &Config,
        actions: impl Into<ActionSpace>,
        eye: Eye,
    ) -> Result<Agent, Error> {
        let actions = actions.into();
        let choices = Choices::of_agent(config, actions)?;
        let width = choices.map_or(actions.dim(), |choices| choices.count());
        let gpu = &gpu.with_precision(config.precision)?;
        let mut layout = ArenaLayout::default();
        layout.push("counter.update", &[1]);
        layout.push("counter.act", &[1]);
        let standardiser = match (eye.latent(), config.latent_scale) {
            (Some(width), LatentScale::Standardised) => Some(Standardiser::new(gpu, width)?),
            _ => None,
        };
        Ok(Agent {
            learner: Learner::new(
                gpu,
                &network_shape(config, width, &eye),
                &learner_options(config),
            )?,
            counters: Arena::new(gpu, "counters", layout)?,
            gpu: gpu.clone(),
            config: config.clone(),
            eye,
            standardiser,
            choices,
            action_dim: actions.dim(),
            updates: BTreeMap::new(),
            ran: AtomicU64::new(0),
        })
    }

    /// Its networks and optimisers.
    pub fn learner(&self) -> &Learner {
        &self.learner
    }

    /// How it sees.
    pub fn eye(&self) -> &Eye {
        &self.eye
    }

    /// The device it lives on.
    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// Its configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What it chooses among; `None` for agents that name their actions' components.
    pub fn choices(&self) -> Option<&Choices> {
        self.choices.as_ref()
    }

    /// Numbers that name an action to the environment.
    pub fn action_dim(&self) -> usize {
        self.action_dim
    }

    /// The steps of DQN, recorded on `tape`; for agents that choose.
    pub fn dqn<'a>(&'a self, tape: &'a Tape) -> Dqn<'a> {
        Dqn {
            learner: &self.learner,
            tape,
            discount: self.config.discount as f32,
            double_q: self.config.double_q,
        }
    }

    /// The steps of SAC, recorded on `tape`; for all others.
    pub fn sac<'a>(&'a self, tape: &'a Tape) -> Sac<'a> {
        Sac {
            learner: &self.learner,
            tape,
            discount: self.config.discount as f32,
            policy: PolicyRange {
                log_std_min: self.config.actor_log_std_min as f32,
                log_std_max: self.config.actor_log_std_max as f32,
            },
        }
    }

    pub(super) fn counter(&self, tape: &Tape, name: &str) -> Result<Var, TapeError> {
        match self.counters.layout().find(name) {
            Some(entry) => Ok(tape.state_range(&self.counters, entry.range(), DType::U32)),
            None => Err(TapeError::UnknownName {
                what: "counter",
                given: name.to_string(),
                known: "counter.update, counter.act".to_string(),
            }),
        }
    }

    pub(super) fn stream(&self, randomness: Randomness) -> Stream {
        Stream {
            seed: self.config.seed,
            stream: randomness as u32,
        }
    }

    /// Whose turn it is at an agent step.
    pub fn turn(&self, step: u64) -> Turn {
        Turn::at(&self.config, step)
    }

    /// Compiles the update programs for this replay: one for each turn that occurs.
    pub fn compile_updates(
        &mut self,
        replay: &Replay,
        overlays: Option<&OverlayBank>,
    ) -> Result<(), TapeError> {
        for turn in Turn::all(&self.config) {
            let program = self.plan_update(replay, overlays, turn)?.build()?;
            let last = AtomicU64::new(0);
            self.updates.insert(turn, Update { program, last });
        }
        Ok(())
    }

    /// The update program of a turn, which takes its memory when it is built.
    pub fn plan_update(
        &self,
        replay: &Replay,
        overlays: Option<&OverlayBank>,
        turn: Turn,
    ) -> Result<PlannedProgram, TapeError> {
        let tape = Tape::new();
        self.record_update(&tape, replay, overlays, turn)?;
        tape.plan(&self.gpu)
    }

    /// Records one update from replay: draw, learn, count.
    fn record_update(
        &self,
        tape: &Tape,
        replay: &Replay,
        overlays: Option<&OverlayBank>,
        turn: Turn,
    ) -> Result<(), TapeError> {
        let c = &self.config;
        let drawn = self.draw(tape, replay)?;
        let input = self.batch_of(tape, replay, overlays, turn, &drawn)?;
        let sac = self.sac(tape);
        let sgqn_options = SgqnOptions {
            rho: c.rho as f32,
            consistency: c.consistency as f32,
        };
        match c.agent {
            // They differ in what becomes of frames before they are seen.
            AgentKind::Sac | AgentKind::Rad | AgentKind::Drq | AgentKind::Soda => {
                sac.update(&input.batch, turn)?;
            }
            AgentKind::Curl => {
                let positive = self.positives(tape, replay, &drawn)?;
                curl::update(&sac, &input.batch, &positive, turn)?;
            }
            AgentKind::Pad => {
                pad::update(&sac, &input.batch, turn)?;
            }
            AgentKind::Svea | AgentKind::SveaSoda => {
                let options = SveaOptions {
                    alpha: c.svea_alpha as f32,
                    beta: c.svea_beta as f32,
                };
                svea::update(&sac, &input.batch, &input.augmented, turn, options)?;
            }
            // An ablation is the same update without one of its parts.
            AgentKind::Sgqn | AgentKind::SacConsistency | AgentKind::SacSelfSupervision => {
                sgqn::update(&sac, &input, turn, sgqn_options)?;
            }
            AgentKind::Dqn => {
                self.dqn(tape).update(&input.batch, turn)?;
            }
            AgentKind::SgqnDqn => {
                sgqn_dqn::update(&self.dqn(tape), &input, turn, sgqn_options)?;
            }
        }
        if turn.auxiliary && c.agent.auxiliary() == Some(Auxiliary::Soda) {
            let views = self.soda_views(tape, replay, overlays)?;
            soda::auxiliary_step(&sac, &views, &mut vec![])?;
        }
        self.counter(tape, "counter.update")?.tick()
    }

    /// What the networks get of stacks of moments: [`Eye::see`], embeddings on the scale
    /// that the configuration asks for.
    ///
    /// # Errors
    /// A store that keeps something else.
    pub fn see(
        &self,
        tape: &Tape,
        slots: &Var,
        store: &Observations,
        framing: Framing,
    ) -> Result<Var, TapeError> {
        self.scaled(tape, self.eye.see(tape, slots, store, framing)?)
    }

    /// What the networks get of frames f32[B, C·F, S, S]: [`Eye::look`], on that scale.
    /// Gradients reach the frames.
    ///
    /// # Errors
    /// Another shape.
    pub fn look(&self, tape: &Tape, frames: &Var) -> Result<Var, TapeError> {
        self.scaled(tape, self.eye.look(tape, frames)?)
    }

    fn scaled(&self, tape: &Tape, seen: Var) -> Result<Var, TapeError> {
        match &self.standardiser {
            Some(standardiser) => standardiser.apply(tape, &seen),
            None => Ok(seen),
        }
    }

    /// Measures the scale of embeddings on what `replay` holds, if it is to be: once, when
    /// learning begins. Of fewer than 8 frames nothing is measured.
    ///
    /// # Errors
    /// Those of the device.
    pub fn standardise(&self, replay: &Replay) -> Result<(), Error> {
        match (&self.standardiser, replay.store().latents()) {
            (Some(standardiser), Some(latents)) => {
                let held = replay.frames().min(replay.store().capacity() as u64);
                standardiser.measure(&self.gpu, latents, held as usize)
            }
            _ => Ok(()),
        }
    }

    /// Submits the update of an agent step.
    pub fn update(&self, step: u64) -> Result<(), TapeError> {
        self.update_program(step)?.run()
    }

    /// The update of an agent step, timed dispatch by dispatch. It changes what
    /// [`Agent::update`] changes, to the same bits, and waits until that is done.
    pub fn profile_update(&self, step: u64, timer: Timer) -> Result<Profile, TapeError> {
        self.update_program(step)?.profile(timer)
    }

    fn update_program(&self, step: u64) -> Result<&Program, TapeError> {
        let turn = self.turn(step);
        let update = (self.updates.get(&turn)).ok_or_else(|| TapeError::UnknownName {
            what: "update program",
            given: format!("{turn:?}"),
            known: format!("{:?}", self.updates.keys().collect::<Vec<_>>()),
        })?;
        let number = self.ran.fetch_add(1, Ordering::Relaxed) + 1;
        update.last.store(number, Ordering::Relaxed);
        Ok(&update.program)
    }

    /// The compiled updates.
    pub fn updates(&self) -> impl Iterator<Item = (&Turn, &Program)> {
        (self.updates.iter()).map(|(turn, update)| (turn, &update.program))
    }

    /// Bytes of the parameters, targets, optimisers and counters on the device.
    pub fn state_bytes(&self) -> u64 {
        let standardiser = self.standardiser.as_ref().map_or(0, Standardiser::bytes);
        self.learner.bytes() + self.counters.bytes() + standardiser
    }

    /// Latest value of every watched scalar, by name, waiting for them; the first that
    /// is not finite since the last call is an error's business: it comes first.
    pub fn watched(&mut self) -> Result<Vec<(String, f32)>, GpuError> {
        let mut latest: BTreeMap<String, f32> = BTreeMap::new();
        // Turns share names: the last to run has the last word.
        let mut updates: Vec<&mut Update> = self.updates.values_mut().collect();
        updates.sort_by_key(|update| update.last.load(Ordering::Relaxed));
        for Update { program, .. } in updates {
            let names = program.watched().to_vec();
            for row in program.watched_blocking()? {
                for (name, value) in names.iter().zip(row.values) {
                    let entry = latest.entry(name.clone()).or_insert(value);
                    // A value that is not finite stays: it must not be overlooked.
                    if entry.is_finite() {
                        *entry = value;
                    }
                }
            }
        }
        Ok(latest.into_iter().collect())
    }

    /// A policy over stacks of `store`, which keeps what [`Agent::eye`] says: `count`
    /// observations at a time.
    pub fn policy(&self, store: &Observations, count: usize) -> Result<Policy, TapeError> {
        let tape = Tape::new();
        let slots = tape.input("slots", Tensor::u32(&[count, self.config.frame_stack]));
        let obs = self.see(&tape, &slots, store, Framing::Centre)?;
        let sac = self.sac(&tape);
        let len = count * self.action_dim;
        if self.choices.is_some() {
            let features = self.dqn(&tape).features(&obs)?;
            let action = self.decide(&tape, &features)?.action;
            return Policy::compile(&self.gpu, &tape, &action, None, len);
        }
        let actor = self.learner.scope(&tape, "actor");
        let raw = Actor::forward(&actor, &sac.features(&obs)?, &self.learner.shape)?;
        let step = self.counter(&tape, "counter.act")?;
        let noise = step.philox_normal(
            self.stream(Randomness::Act),
            &[count, self.learner.shape.action_dim],
        )?;
        let sample =
            raw.squashed_gaussian(&noise, sac.policy.log_std_min, sac.policy.log_std_max)?;
        let sampled = Some([&sample.action, &step]);
        Policy::compile(&self.gpu, &tape, &sample.mean, sampled, len)
    }

    /// Everything that training changes on the device: (name, shape, element type, place).
    pub fn tensors(&self) -> Vec<(String, Vec<usize>, DType, BufferRange)> {
        let learner = self
            .learner
            .tensors()
            .into_iter()
            .map(|(name, shape, range)| {
                let counts = name.ends_with(".time");
                (
                    name,
                    shape,
                    if counts { DType::U32 } else { DType::F32 },
                    range,
                )
            });
        let counters = self.counters.layout().entries().iter();
        let counters = counters.map(|e| {
            (
                e.name.clone(),
                e.shape.clone(),
                DType::U32,
                self.counters.slice(e.range()),
            )
        });
        let standardiser = self.standardiser.iter().flat_map(Standardiser::tensors);
        let standardiser =
            standardiser.map(|(name, shape, range)| (name, shape, DType::F32, range));
        learner.chain(counters).chain(standardiser).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Preset;

    /// Also those that first occur late, and with periods that no step reaches together.
    #[test]
    fn every_turn_is_known() {
        let mut config = Config::new(AgentKind::Sgqn, "native/reach", Preset::Tiny);
        let all = |config: &mut Config, [actor, targets, aux]: [u64; 3]| {
            config.actor_update_freq = actor;
            config.critic_target_update_freq = targets;
            config.aux_update_freq = aux;
            Turn::all(config)
        };
        assert_eq!(all(&mut config, [1, 1, 1]).len(), 1);
        assert_eq!(all(&mut config, [2, 2, 2]).len(), 2);
        assert_eq!(all(&mut config, [1, 1, 4]).len(), 2);
        let late = all(&mut config, [2, 101, 103]);
        assert_eq!(late.len(), 8);
        assert!(late.contains(&Turn::at(&config, 101 * 103)));
        let huge = i64::MAX as u64;
        assert_eq!(all(&mut config, [huge, huge - 1, 1]).len(), 3);
    }
}
