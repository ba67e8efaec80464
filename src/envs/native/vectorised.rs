//! `n` environments of one task: episodes, time limits, looks, saved states.

use bytemuck::Pod;

use super::mode::Look;
use super::palette::Palette;
use super::random::{Purpose, Stream};
use super::scene::{Camera, Ground, Primitive, Scene, normalised};
use super::{Mode, World, WorldError, WorldOptions};
use crate::envs::{EnvSpec, Transition};

/// The physics, the rewards and the looks of one kind of world.
pub trait Task: Send {
    /// Everything that changes from one control step to the next.
    type State: Pod + Send;

    const ID: &'static str;
    const ACTION_DIM: usize;
    /// Control steps per episode.
    const CONTROL_STEPS: usize;
    /// Control steps per agent step, unless asked otherwise.
    const ACTION_REPEAT: usize;
    /// The names of [`coordinates`](Task::coordinates).
    const COORDINATES: &'static [&'static str];
    /// What [`primitives`](Task::primitives) are of, by the ids that they have in the
    /// segmentation: from `SEGMENT_TASK`, one after the other.
    const PARTS: &'static [&'static str];

    /// The task when an action is held for `action_repeat` control steps (≥ 1).
    fn new(action_repeat: usize) -> Self;

    /// Where an episode begins.
    fn start(&self, random: &mut Stream) -> Self::State;

    /// One control step under `action` (`[ACTION_DIM]`, each in [−1, 1]): the
    /// reward in [0, 1] of the state that it leads to.
    fn step(&self, state: &mut Self::State, action: &[f32]) -> f64;

    /// The scripted controller's `action` (`[ACTION_DIM]`).
    fn expert(&self, state: &Self::State, action: &mut [f32]);

    /// Whether a state can have come from [`start`](Task::start) and [`step`](Task::step).
    fn plausible(&self, state: &Self::State) -> bool;

    /// The state as numbers of which a picture shows the positions (angles as cosine
    /// and sine), for probes: as many as [`COORDINATES`](Task::COORDINATES).
    fn coordinates(&self, state: &Self::State) -> Vec<f32>;

    /// From where it is looked at.
    fn camera(&self, state: &Self::State) -> Camera;

    /// The floor.
    fn ground(&self, palette: &Palette) -> Ground;

    /// What stands, lies and moves on it.
    fn primitives(&self, state: &Self::State, palette: &Palette) -> Vec<Primitive>;
}

/// One environment of a group.
#[derive(Clone, Copy)]
struct Slot<S> {
    episode: u64,
    /// Agent steps since the episode began.
    step: u64,
    state: S,
}

/// `n` environments of one task.
pub struct Vectorised<T: Task> {
    task: T,
    spec: EnvSpec,
    options: WorldOptions,
    slots: Vec<Slot<T::State>>,
}

/// The first bytes of a saved state: its kind and version.
const MAGIC: &[u8; 8] = b"fvworld1";

impl<T: Task> Vectorised<T> {
    /// Every environment at the start of episode 0.
    pub fn new(options: WorldOptions) -> Result<Vectorised<T>, WorldError> {
        let repeat = options.action_repeat.unwrap_or(T::ACTION_REPEAT);
        check("count", options.count, 1..=65_535, "from 1 to 65535")?;
        let right = "from 1 to the control steps of an episode";
        check("action_repeat", repeat, 1..=T::CONTROL_STEPS, right)?;
        let size = options.image_size;
        let whole = size.is_multiple_of(4) && (4..=4092).contains(&size);
        if !whole {
            return Err(WorldError::Option {
                option: "image_size",
                given: size,
                right: "a multiple of 4 from 4 to 4092",
            });
        }
        if options.clips.contains(&0) {
            return Err(WorldError::Option {
                option: "the length of a clip",
                given: 0,
                right: "1 or more",
            });
        }
        let task = T::new(repeat);
        let slots = (0..options.count)
            .map(|env| slot(&task, options.seed, env, 0))
            .collect();
        let spec = EnvSpec {
            id: T::ID.to_string(),
            image_size: options.image_size,
            action_dim: T::ACTION_DIM,
            discrete_actions: None,
            episode_steps: T::CONTROL_STEPS.div_ceil(repeat),
            action_repeat: repeat,
        };
        Ok(Vectorised {
            task,
            spec,
            options,
            slots,
        })
    }

    /// The state of environment `env`.
    pub fn state(&self, env: usize) -> Option<&T::State> {
        self.slots.get(env).map(|slot| &slot.state)
    }

    fn slot(&self, env: usize) -> Result<&Slot<T::State>, WorldError> {
        let count = self.slots.len();
        (self.slots.get(env)).ok_or(WorldError::Environment { given: env, count })
    }

    fn length(&self, what: &'static str, given: usize, right: usize) -> Result<(), WorldError> {
        let count = self.slots.len();
        if given == right {
            return Ok(());
        }
        Err(WorldError::Length {
            what,
            given,
            right,
            count,
        })
    }

    /// What a saved state must agree on with the world that takes it up.
    fn identity(&self) -> [(&'static str, u64); 6] {
        // FNV-1a over 64-bit items.
        let hash = |items: &mut dyn Iterator<Item = u64>| {
            items.fold(0xcbf2_9ce4_8422_2325, |hash: u64, item| {
                (hash ^ item).wrapping_mul(0x0100_0000_01b3)
            })
        };
        let id = hash(&mut T::ID.bytes().map(u64::from));
        let clips = hash(&mut self.options.clips.iter().map(|&c| u64::from(c)));
        [
            ("id", id),
            ("seed", self.options.seed),
            ("mode", self.options.mode as u64),
            ("action_repeat", self.spec.action_repeat as u64),
            ("count", self.slots.len() as u64),
            ("list of clips", clips),
        ]
    }
}

fn check(
    option: &'static str,
    given: usize,
    range: std::ops::RangeInclusive<usize>,
    right: &'static str,
) -> Result<(), WorldError> {
    if range.contains(&given) {
        return Ok(());
    }
    Err(WorldError::Option {
        option,
        given,
        right,
    })
}

fn slot<T: Task>(task: &T, seed: u64, env: usize, episode: u64) -> Slot<T::State> {
    Slot {
        episode,
        step: 0,
        state: task.start(&mut Stream::new(seed, env, episode, Purpose::Start)),
    }
}

impl<T: Task> World for Vectorised<T> {
    fn spec(&self) -> &EnvSpec {
        &self.spec
    }

    fn count(&self) -> usize {
        self.slots.len()
    }

    fn mode(&self) -> Mode {
        self.options.mode
    }

    fn reset(&mut self, env: usize, episode: u64) -> Result<(), WorldError> {
        self.slot(env)?;
        self.slots[env] = slot(&self.task, self.options.seed, env, episode);
        Ok(())
    }

    fn step(&mut self, actions: &[f32], answers: &mut [Transition]) -> Result<(), WorldError> {
        let count = self.slots.len();
        self.length("actions", actions.len(), count * T::ACTION_DIM)?;
        self.length("answers", answers.len(), count)?;
        if let Some(i) = actions.iter().position(|a| !a.is_finite()) {
            return Err(WorldError::NotFinite {
                env: i / T::ACTION_DIM,
                component: i % T::ACTION_DIM,
                value: actions[i],
            });
        }
        let limit = self.spec.episode_steps as u64;
        if let Some(env) = self.slots.iter().position(|slot| slot.step >= limit) {
            return Err(WorldError::Over { env });
        }
        let mut action = vec![0.0; T::ACTION_DIM];
        for (env, slot) in self.slots.iter_mut().enumerate() {
            for (to, from) in action.iter_mut().zip(&actions[env * T::ACTION_DIM..]) {
                *to = from.clamp(-1.0, 1.0);
            }
            // The last agent step of an episode may be a short one.
            let done = slot.step as usize * self.spec.action_repeat;
            let steps = self.spec.action_repeat.min(T::CONTROL_STEPS - done);
            let reward: f64 = (0..steps)
                .map(|_| self.task.step(&mut slot.state, &action))
                .sum();
            slot.step += 1;
            answers[env] = Transition {
                reward: reward as f32,
                terminated: false,
                truncated: slot.step == limit,
            };
        }
        Ok(())
    }

    fn expert(&self, env: usize, action: &mut [f32]) -> Result<(), WorldError> {
        self.length("action", action.len(), T::ACTION_DIM)?;
        self.task.expert(&self.slot(env)?.state, action);
        Ok(())
    }

    fn scene_in(&self, env: usize, mode: Mode) -> Result<Scene, WorldError> {
        let slot = self.slot(env)?;
        let look = Look::new(
            mode,
            self.options.seed,
            env,
            slot.episode,
            slot.step,
            &self.options.clips,
        );
        Ok(Scene {
            camera: self.task.camera(&slot.state),
            light: normalised([-0.35, -0.45, 1.0]),
            shadows: look.shadows,
            ground: self.task.ground(&look.palette),
            backdrop: look.backdrop,
            floor_covered: look.floor_covered,
            time: look.time,
            primitives: self.task.primitives(&slot.state, &look.palette),
        })
    }

    fn coordinate_names(&self) -> &'static [&'static str] {
        T::COORDINATES
    }

    fn parts(&self) -> &'static [&'static str] {
        T::PARTS
    }

    fn coordinates(&self, env: usize) -> Result<Vec<f32>, WorldError> {
        Ok(self.task.coordinates(&self.slot(env)?.state))
    }

    fn save(&self) -> Vec<u8> {
        let mut saved = MAGIC.to_vec();
        for (_, value) in self.identity() {
            saved.extend(value.to_le_bytes());
        }
        for slot in &self.slots {
            saved.extend(slot.episode.to_le_bytes());
            saved.extend(slot.step.to_le_bytes());
            saved.extend(bytemuck::bytes_of(&slot.state));
        }
        saved
    }

    fn restore(&mut self, saved: &[u8]) -> Result<(), WorldError> {
        let wrong = |what: String| Err(WorldError::Saved(what));
        let slot_size = 16 + size_of::<T::State>();
        let Some(rest) = saved.strip_prefix(MAGIC) else {
            return wrong(format!("it does not begin with {MAGIC:?}"));
        };
        let identity = self.identity();
        let Some((head, body)) = rest.split_at_checked(8 * identity.len()) else {
            return wrong(format!("it ends after {} bytes", saved.len()));
        };
        for ((name, here), there) in identity.into_iter().zip(words(head)) {
            if here != there {
                return wrong(format!("its {name} is {there}, this world's is {here}"));
            }
        }
        if body.len() != slot_size * self.slots.len() {
            let right = saved.len() - body.len() + slot_size * self.slots.len();
            return wrong(format!("it has {} bytes, not {right}", saved.len()));
        }
        let limit = self.spec.episode_steps as u64;
        let mut slots = Vec::with_capacity(self.slots.len());
        for (env, bytes) in body.chunks_exact(slot_size).enumerate() {
            let (counters, state) = bytes.split_at(16);
            let mut counters = words(counters);
            let (episode, step) = (
                counters.next().unwrap_or_default(),
                counters.next().unwrap_or_default(),
            );
            let state: T::State = bytemuck::pod_read_unaligned(state);
            if step > limit || !self.task.plausible(&state) {
                return wrong(format!("environment {env} is in an impossible state"));
            }
            slots.push(Slot {
                episode,
                step,
                state,
            });
        }
        self.slots = slots;
        Ok(())
    }
}

/// The little-endian words of `bytes`.
fn words(bytes: &[u8]) -> impl Iterator<Item = u64> {
    (bytes.chunks_exact(8)).map(|b| b.iter().rev().fold(0, |word, &b| word << 8 | u64::from(b)))
}
