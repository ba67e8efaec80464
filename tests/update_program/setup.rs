//! A small agent, a replay of noise, and what an update of it learns from.

use foveate::agents::sac::Turn;
use foveate::agents::{Agent, ObservedShape, OverlayBank, Replay, ReplayShape, StoredTransition};
use foveate::config::{AgentKind, Config, Preset};
use foveate::envs::Transition;
use foveate::gpu::BufferRange;
use foveate::tape::{Program, Tape, Var};
use rand::RngExt;

use crate::common::*;

pub const SIDE: usize = 12;
pub const FRAMES: usize = 2;
pub const BATCH: usize = 40;
pub const TRANSITIONS: usize = 9;
pub const PAD: usize = 2;
pub const PLANE: usize = SIDE * SIDE;
pub const STACK: usize = 3 * FRAMES * PLANE;

pub const ALL: Turn = Turn {
    actor: true,
    targets: true,
    auxiliary: true,
};
pub const CRITIC_ONLY: Turn = Turn {
    actor: false,
    targets: false,
    auxiliary: false,
};

pub fn config(agent: AgentKind) -> Config {
    Config {
        seed: 7,
        image_size: SIDE,
        frame_stack: FRAMES,
        batch: BATCH,
        num_shared_layers: 2,
        num_filters: 4,
        projection_dim: 4,
        hidden_dim: 8,
        decoder_channels: [4, 4],
        replay_capacity: 64,
        shift_pad: PAD,
        actor_update_freq: 2,
        critic_target_update_freq: 2,
        aux_update_freq: 2,
        ..Config::new(agent, "native/reach", Preset::Tiny)
    }
}

/// An agent, a replay of frames of noise between 30 and 199, and those frames, as large
/// as they are drawn. The number of a transition is its reward.
pub fn filled(config: &Config) -> (Agent, Replay, Vec<Vec<u8>>) {
    let agent = Agent::new(&gpu(), config, 2).unwrap();
    let shape = ReplayShape {
        capacity: config.replay_capacity,
        frame_stack: FRAMES,
        action_dim: 2,
        observed: ObservedShape::rgb(config.rendered_size()),
        episode_steps: TRANSITIONS,
    };
    let mut replay = Replay::new(&gpu(), shape).unwrap();
    let bytes = replay.store().shape().bytes();
    let mut rng = rng(4);
    let frames: Vec<Vec<u8>> = (0..TRANSITIONS + FRAMES)
        .map(|_| (0..bytes).map(|_| rng.random_range(30..200)).collect())
        .collect();
    for bytes in &frames {
        let number = replay.next_frame().unwrap();
        replay.write_frame(number, bytes).unwrap();
    }
    for t in 0..TRANSITIONS as u64 {
        let step = Transition {
            reward: t as f32,
            terminated: t == 3,
            truncated: t == 5,
        };
        let action = vec![t as f32 / 10.0, -(t as f32) / 10.0];
        let stack: Vec<u64> = (t..t + FRAMES as u64).collect();
        let next = t + FRAMES as u64;
        replay
            .push(&StoredTransition::new(&stack, next, &step, action))
            .unwrap();
    }
    (agent, replay, frames)
}

/// Where the agent's count of updates lies.
pub fn counter(agent: &Agent) -> BufferRange {
    let mut tensors = agent.tensors().into_iter();
    tensors.find(|t| t.0 == "counter.update").unwrap().3
}

pub fn count(agent: &Agent) -> u32 {
    let bytes = gpu().read_blocking(&counter(agent)).unwrap();
    bytemuck::pod_collect_to_vec::<u8, u32>(&bytes)[0]
}

/// The batch of an update, readable.
pub struct Recorded {
    program: Program,
    counter: BufferRange,
}

/// What is recorded beside a batch: values with names.
pub type More<'a> = &'a dyn Fn(&Tape) -> Vec<(&'static str, Var)>;

impl Recorded {
    pub fn new(agent: &Agent, replay: &Replay, bank: Option<&OverlayBank>, turn: Turn) -> Recorded {
        Recorded::with(agent, replay, bank, turn, &|_| vec![])
    }

    pub fn with(
        agent: &Agent,
        replay: &Replay,
        bank: Option<&OverlayBank>,
        turn: Turn,
        more: More,
    ) -> Recorded {
        let tape = Tape::new();
        let input = agent.record_batch(&tape, replay, bank, turn).unwrap();
        let batch = &input.batch;
        for (name, var) in [
            ("obs", &batch.obs),
            ("next_obs", &batch.next_obs),
            ("action", &batch.action),
            ("reward", &batch.reward),
            ("not_done", &batch.not_done),
            ("next_noise", &batch.next_noise),
            ("actor_noise", &batch.actor_noise),
            ("fill", &input.fill),
            ("augmented", &input.augmented),
        ] {
            tape.output(name, var);
        }
        for (name, var) in more(&tape) {
            tape.output(name, &var);
        }
        Recorded {
            program: tape.compile(&gpu()).unwrap(),
            counter: counter(agent),
        }
    }

    /// Runs it as the update number `update`.
    pub fn at(&self, update: u32) -> &Recorded {
        gpu().write(&self.counter, &update.to_le_bytes()).unwrap();
        self.program.poison().unwrap();
        self.program.run().unwrap();
        self
    }

    pub fn get(&self, name: &str) -> Vec<f32> {
        self.program.read_blocking(name).unwrap()
    }
}

/// Frames `first..first + FRAMES` displaced by (dx, dy) pixels, edges repeated.
pub fn shifted(frames: &[Vec<u8>], first: usize, (dx, dy): (i32, i32)) -> Vec<f32> {
    let inside = |i: usize, d: i32| (i as i32 + d).clamp(0, SIDE as i32 - 1) as usize;
    let mut stack = vec![];
    for frame in &frames[first..first + FRAMES] {
        for plane in frame.chunks(PLANE) {
            for y in 0..SIDE {
                for x in 0..SIDE {
                    stack.push(f32::from(plane[inside(y, dy) * SIDE + inside(x, dx)]));
                }
            }
        }
    }
    stack
}

/// By how much a stack is displaced: noise fits in one way only.
pub fn displacement(stack: &[f32], frames: &[Vec<u8>], first: usize) -> (i32, i32) {
    let pad = PAD as i32;
    let all = (-pad..=pad).flat_map(|dx| (-pad..=pad).map(move |dy| (dx, dy)));
    let fitting: Vec<_> = (all.into_iter())
        .filter(|&d| shifted(frames, first, d) == stack)
        .collect();
    assert_eq!(fitting.len(), 1, "{fitting:?}");
    fitting[0]
}

/// The bytes of these tensors of an agent.
pub fn parameters(agent: &Agent, names: &[&str]) -> Vec<Vec<u8>> {
    let tensors = agent.tensors();
    let place = |name: &str| {
        let found = tensors.iter().find(|t| t.0 == name);
        found.unwrap_or_else(|| panic!("no {name}")).3.clone()
    };
    (names.iter())
        .map(|name| gpu().read_blocking(&place(name)).unwrap())
        .collect()
}
