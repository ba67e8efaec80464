//! Evaluation: whole episodes with the policy's mean (SPEC.md A.7), or of agents that choose
//! with the action of the largest value (ε = 0); and the two yardsticks, a random policy and
//! a world's scripted expert.

use super::agent::Agent;
use super::eye::{Embedder, Eye};
use super::latents::LatentStore;
use super::observations::Observations;
use super::pad::Adaptation;
use super::policy::Policy;
use crate::Error;
use crate::envs::native::Mode;
use crate::envs::{EnvOptions, Environment, Transition, open};
use crate::gpu::{BufferRange, FrameShape, FrameStore, Gpu};
use crate::ops::{Stream, TapeError};

/// Who acts.
#[derive(Debug)]
pub enum Actor<'a> {
    /// The policy's mean, or the best choice, from pixels.
    Agent(&'a Agent),
    /// The same of a PAD agent that adapts itself to each episode, one after the other:
    /// see [`Adaptation`].
    Adapting(&'a Agent),
    /// Uniform in [−1, 1], or among discrete actions, from this seed.
    Random(u64),
    /// A native world's scripted controller, from the state.
    Expert,
}

impl<'a> Actor<'a> {
    /// How an agent sees.
    pub(super) fn eye(&self) -> Option<&'a Eye> {
        match self {
            Actor::Agent(agent) | Actor::Adapting(agent) => Some(agent.eye()),
            _ => None,
        }
    }

    /// An agent's policy over what it sees on a stage.
    pub(super) fn policy(&self, stage: &Stage, count: usize) -> Result<Option<Policy>, TapeError> {
        match self {
            Actor::Agent(agent) | Actor::Adapting(agent) => {
                agent.policy(stage.store(), count).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// What adapts an agent to what it sees on a stage.
    fn adaptation(&self, stage: &Stage) -> Result<Option<Adaptation<'a>>, Error> {
        match self {
            Actor::Adapting(agent) => Adaptation::new(agent, stage.store()).map(Some),
            _ => Ok(None),
        }
    }
}

/// Stream of the random policy's numbers, apart from those of training.
const RANDOM_POLICY: u32 = 0x5EED;

/// Most native worlds at a time.
const SIDE_BY_SIDE: usize = 32;

/// Environments side by side with the frames that their observations need.
pub struct Stage {
    pub env: Box<dyn Environment>,
    frames: FrameStore,
    /// What an agent sees: the frames, or their embeddings in slots of the same numbers.
    store: Observations,
    embedder: Option<Embedder>,
    frame_stack: usize,
    /// The look of a native world, where it is not its own.
    mode: Option<Mode>,
    /// Frames seen by each environment in its episode.
    seen: Vec<usize>,
    /// What happened to the environments that nobody has been told yet.
    notices: Vec<String>,
}

impl std::fmt::Debug for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Stage({} × {})", self.env.count(), self.env.spec().id)
    }
}

impl Stage {
    /// Opens `options.count` environments; observations are stacks of `frame_stack`
    /// frames, seen by `eye` if somebody acts who looks.
    ///
    /// # Errors
    /// Those of opening environments, of allocating and of compiling.
    pub fn new(
        gpu: &Gpu,
        options: &EnvOptions,
        frame_stack: usize,
        eye: Option<&Eye>,
    ) -> Result<Stage, Error> {
        let (count, slots) = (options.count, options.count * (frame_stack + 1));
        let frame = eye.map_or(FrameShape::rgb(options.image_size), Eye::frame);
        let frames = FrameStore::new(gpu, slots, frame)?;
        let (store, embedder) = match eye.and_then(|eye| Some((eye, eye.encoder()?))) {
            Some((eye, encoder)) => {
                let latents = LatentStore::new(gpu, slots, encoder.width())?;
                let embedder = Embedder::new(gpu, eye, encoder, &frames, &latents, count)?;
                (Observations::Latents(latents), Some(embedder))
            }
            None => (Observations::Pixels(frames.clone()), None),
        };
        Ok(Stage {
            env: open(gpu, &frames, options)?,
            seen: vec![0; count],
            notices: vec![],
            frames,
            store,
            embedder,
            frame_stack,
            mode: None,
        })
    }

    /// Shows a native world in another look from its next frame on.
    pub fn show_in(&mut self, mode: Mode) {
        self.mode = Some(mode);
    }

    /// The slot of environment `env`'s frame number `frame` of its episode: there is one
    /// more than a stack has, so that the stack before the current one is there too.
    fn slot(&self, env: usize, frame: usize) -> u32 {
        let kept = self.frame_stack + 1;
        (env * kept + frame % kept) as u32
    }

    /// Starts episode `episode` in every environment.
    pub fn reset(&mut self, episode: u64) -> Result<(), Error> {
        for env in 0..self.env.count() {
            let reset = self.env.reset(env, episode);
            self.notices.extend(self.env.take_notices());
            reset?;
        }
        self.seen.fill(0);
        self.observe()
    }

    /// Steps every environment.
    pub fn step(&mut self, actions: &[f32], transitions: &mut [Transition]) -> Result<(), Error> {
        let stepped = self.env.step(actions, transitions);
        self.notices.extend(self.env.take_notices());
        stepped?;
        self.observe()
    }

    /// What happened to the environments since the last call that a person should know:
    /// processes that died.
    pub fn take_notices(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notices)
    }

    fn observe(&mut self) -> Result<(), Error> {
        let slots: Vec<u32> = (0..self.seen.len())
            .map(|e| self.slot(e, self.seen[e]))
            .collect();
        match (self.mode, self.env.as_native()) {
            (Some(mode), Some(native)) => native.observe_in(mode, &slots)?,
            _ => self.env.observe(&slots)?,
        }
        if let Some(embedder) = &self.embedder {
            embedder.run(&slots, &slots)?;
        }
        self.seen.iter_mut().for_each(|n| *n += 1);
        Ok(())
    }

    /// What an agent sees: the store that [`Stage::stacks`] counts in.
    pub fn store(&self) -> &Observations {
        &self.store
    }

    /// Bytes of a frame's red, green and blue.
    pub fn rgb_bytes(&self) -> u64 {
        FrameShape::rgb(self.frames.image_size()).bytes() as u64
    }

    /// Where the current picture of environment `env` is, u8[3, height, width].
    pub fn frame(&self, env: usize) -> BufferRange {
        let seen = self.seen.get(env).copied().unwrap_or_default();
        let slot = self.slot(env, seen.saturating_sub(1));
        BufferRange {
            size: self.rgb_bytes(),
            ..self.frames.slot(slot as usize)
        }
    }

    /// Slots of the current stacks, [count · frame_stack], oldest first; the first
    /// frame of an episode stands for those before it.
    pub fn stacks(&self) -> Vec<u32> {
        self.stacks_before(0)
    }

    /// Those of `steps` earlier, 0 or 1, as [`Stage::stacks`].
    fn stacks_before(&self, steps: usize) -> Vec<u32> {
        (0..self.seen.len())
            .flat_map(|env| {
                let last = self.seen[env].saturating_sub(1 + steps);
                (0..self.frame_stack)
                    .map(move |f| (env, (last + f + 1).saturating_sub(self.frame_stack)))
            })
            .map(|(env, frame)| self.slot(env, frame))
            .collect()
    }
}

/// Actions for every environment of a stage.
pub(super) fn actions(
    stage: &mut Stage,
    actor: &Actor,
    policy: Option<&Policy>,
    step: u64,
) -> Result<Vec<f32>, Error> {
    let (count, dim) = (stage.env.count(), stage.env.spec().action_dim);
    match (actor, policy) {
        (Actor::Agent(_) | Actor::Adapting(_), Some(policy)) => {
            Ok(policy.act(&stage.stacks(), false)?)
        }
        (Actor::Expert, _) => {
            let mut actions = vec![0.0; count * dim];
            let id = stage.env.spec().id.clone();
            let native = stage.env.as_native().ok_or(Error::NoExpert { id })?;
            native.expert(&mut actions)?;
            Ok(actions)
        }
        (Actor::Random(seed), _) => {
            let stream = Stream {
                seed: *seed,
                stream: RANDOM_POLICY,
            };
            let mut drawn = stream.uniform(step as u32, count * dim, -1.0, 1.0)?;
            if let Some(choices) = stage.env.spec().discrete_actions {
                let last = choices.saturating_sub(1) as f32;
                for value in &mut drawn {
                    *value = ((*value + 1.0) * 0.5 * choices as f32)
                        .floor()
                        .clamp(0.0, last);
                }
            }
            Ok(drawn)
        }
        (Actor::Agent(_) | Actor::Adapting(_), None) => Ok(vec![0.0; count * dim]),
    }
}

/// Environments at a time: native worlds run side by side, as many as keep the device
/// busy and memory bounded; a real suite's episodes run one after the other.
fn environments(id: &str, episodes: usize) -> usize {
    match id.starts_with("native/") {
        true => episodes.min(SIDE_BY_SIDE),
        false => 1,
    }
}

/// A whole episode.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Episode {
    /// Sum of its rewards.
    pub value: f32,
    /// Whether the task was done at any step of it; `None` where the task does not say.
    pub success: Option<bool>,
}

/// Returns of `count` whole episodes; what [`episodes`] would tell nobody hears.
pub fn returns(
    gpu: &Gpu,
    options: &EnvOptions,
    frame_stack: usize,
    actor: &Actor,
    count: usize,
) -> Result<Vec<f32>, Error> {
    let episodes = episodes(gpu, options, frame_stack, actor, count, &mut |_| {})?;
    Ok(episodes.iter().map(|episode| episode.value).collect())
}

/// Plays `wanted` whole episodes. One whose environment died is played again; `notice`
/// is told of it.
pub fn episodes(
    gpu: &Gpu,
    options: &EnvOptions,
    frame_stack: usize,
    actor: &Actor,
    wanted: usize,
    notice: &mut dyn FnMut(String),
) -> Result<Vec<Episode>, Error> {
    let count = match actor {
        // Each episode has networks of its own.
        Actor::Adapting(_) => 1,
        _ => environments(&options.id, wanted),
    };
    let options = EnvOptions {
        count,
        evaluation: true,
        ..options.clone()
    };
    let mut stage = Stage::new(gpu, &options, frame_stack, actor.eye())?;
    let policy = actor.policy(&stage, count)?;
    let adaptation = actor.adaptation(&stage)?;
    let mut played: Vec<Episode> = vec![];
    let mut random_step = 0;
    while played.len() < wanted {
        let reset = stage.reset((played.len() / count) as u64);
        stage.take_notices().into_iter().for_each(&mut *notice);
        reset?;
        if let Some(adaptation) = &adaptation {
            adaptation.begin();
        }
        let mut running = vec![Some(Episode::default()); count];
        let mut ended = vec![None; count];
        let mut transitions = vec![Transition::default(); count];
        while running.iter().any(Option::is_some) {
            let actions = actions(&mut stage, actor, policy.as_ref(), random_step)?;
            random_step += 1;
            let stepped = stage.step(&actions, &mut transitions);
            stage.take_notices().into_iter().for_each(&mut *notice);
            stepped?;
            if let Some(adaptation) = &adaptation {
                adaptation.step(&stage.stacks_before(1), &stage.stacks(), &actions)?;
            }
            for (env, t) in transitions.iter().enumerate() {
                let Some(episode) = &mut running[env] else {
                    continue;
                };
                let outcome = stage.env.outcome(env).unwrap_or_default();
                episode.value += t.reward;
                if let Some(success) = outcome.success {
                    episode.success = Some(success || episode.success == Some(true));
                }
                if t.terminated || t.truncated {
                    let episode = running[env].take();
                    ended[env] = episode.filter(|_| !outcome.lost);
                }
            }
        }
        played.extend(ended.into_iter().flatten());
    }
    played.truncate(wanted);
    Ok(played)
}

/// The share of episodes in which the task was done; `None` where the task does not say.
pub fn success_rate(episodes: &[Episode]) -> Option<f64> {
    let told: Vec<bool> = episodes.iter().filter_map(|e| e.success).collect();
    let done = told.iter().filter(|&&success| success).count();
    (!told.is_empty()).then(|| done as f64 / told.len() as f64)
}

/// Mean return of episodes; 0 of none.
pub fn mean(episodes: &[Episode]) -> f32 {
    let sum: f32 = episodes.iter().map(|episode| episode.value).sum();
    sum / episodes.len().max(1) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_episodes_do_not_open_as_many_environments() {
        for (id, episodes, count) in [
            ("native/reach", 1, 1),
            ("native/reach", 32, 32),
            ("native/cartpole", 1_000_000, 32),
            ("dm_control/walker-walk", 30, 1),
        ] {
            assert_eq!(environments(id, episodes), count, "{id}, {episodes}");
        }
    }
}
