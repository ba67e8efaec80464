//! What an agent learns from: which frames make an observation, what is forgotten,
//! and what counts as an end.

mod common;

use std::collections::HashSet;
use std::ops::ControlFlow;

use common::*;
use foveate::agents::{ObservedShape, Replay, ReplayShape, StoredTransition, Trainer, env_options};
use foveate::config::{AgentKind, Config, Preset};
use foveate::envs::native::Mode;
use foveate::envs::{Transition, open};
use foveate::gpu::{FrameShape, FrameStore};
use foveate::ops::Stream;
use foveate::run::{CheckpointStore, ReplayChunk, ReplayLayout, ReplayReader, RunDirectory};
use foveate::tape::{Tape, Tensor};

const SIDE: usize = 8;

/// What a program drew: for each transition the frames' contents, reward, not_done.
struct Drawn {
    obs: Vec<f32>,
    next_obs: Vec<f32>,
    reward: Vec<f32>,
    not_done: Vec<f32>,
}

/// Draws `batch` transitions at count `step`.
fn draw(replay: &Replay, step: u32, batch: usize) -> Drawn {
    let tape = Tape::new();
    let count = tape.input("step", Tensor::u32(&[1]));
    let stream = Stream { seed: 9, stream: 0 };
    let drawn = replay.sample(&tape, &count, stream, batch).unwrap();
    let stack = |slots: &foveate::tape::Var| {
        slots
            .stack_frames(replay.store().pixels().unwrap(), None)
            .unwrap()
    };
    tape.output("obs", &stack(&drawn.obs_slots));
    tape.output("next_obs", &stack(&drawn.next_slots));
    tape.output("reward", &drawn.reward);
    tape.output("not_done", &drawn.not_done);
    let program = tape.compile(&gpu()).unwrap();
    program.write("step", &[step]).unwrap();
    program.run().unwrap();
    let read = |name: &str| program.read_blocking(name).unwrap();
    Drawn {
        obs: read("obs"),
        next_obs: read("next_obs"),
        reward: read("reward"),
        not_done: read("not_done"),
    }
}

/// A frame whose every byte is its number.
fn claim(replay: &mut Replay) -> u64 {
    let frame = replay.next_frame().unwrap();
    let bytes = vec![(frame % 251) as u8; 3 * SIDE * SIDE];
    replay.write_frame(frame, &bytes).unwrap();
    frame
}

/// The numbers that a stack's frames show; each frame must be of one colour.
fn shown(stacks: &[f32], stack: usize, frames: usize) -> Vec<u64> {
    let frame = 3 * SIDE * SIDE;
    (stacks[stack * frames * frame..].chunks(frame).take(frames))
        .map(|pixels| {
            assert!(pixels.iter().all(|p| *p == pixels[0]));
            pixels[0] as u64
        })
        .collect()
}

/// Episodes of three steps in a replay that is made for episodes of fifty: frames run
/// out long before rows do. Whatever is drawn shows the frames that it was stored with.
///
/// Sabotage tried: `Replay::next_frame` that drops nothing. Turns this red.
#[test]
fn a_transition_whose_frame_is_gone_is_never_drawn() {
    let mut replay = Replay::new(
        &gpu(),
        ReplayShape {
            capacity: 20,
            frame_stack: 3,
            action_dim: 1,
            observed: ObservedShape::rgb(SIDE),
            episode_steps: 50,
        },
    )
    .unwrap();
    let frames_held = replay.store().capacity() as u64;
    let mut stored: Vec<Vec<u64>> = vec![];
    for episode in 0..24 {
        let mut stack = vec![claim(&mut replay); 3];
        for _ in 0..3 {
            let next = claim(&mut replay);
            // The number of the transition is its reward.
            let step = Transition {
                reward: stored.len() as f32,
                ..Default::default()
            };
            let transition = StoredTransition::new(&stack, next, &step, vec![0.0]);
            replay.push(&transition).unwrap();
            stack = transition.frames[1..].to_vec();
            stored.push(transition.frames);
        }
        assert!(replay.held() <= 20);
        let newest = replay.frames();
        let oldest = stored.len() - replay.held();
        for frames in &stored[oldest..] {
            assert!(frames[0] + frames_held >= newest, "{frames:?} of {newest}");
        }
        let drawn = draw(&replay, episode, 128);
        let mut seen = HashSet::new();
        for (i, reward) in drawn.reward.iter().enumerate() {
            let transition = *reward as usize;
            assert!((oldest..stored.len()).contains(&transition));
            let frames: Vec<u64> = stored[transition].iter().map(|f| f % 251).collect();
            assert_eq!(shown(&drawn.obs, i, 3), frames[..3]);
            assert_eq!(shown(&drawn.next_obs, i, 3), frames[1..]);
            seen.insert(transition);
        }
        // 128 draws of at most 20.
        assert!(seen.len() * 10 >= replay.held() * 9, "{seen:?}");
    }
    assert!(replay.frames() > 3 * frames_held, "the ring went round");
}

/// Where frames suffice, as many transitions are held as there are rows.
#[test]
fn rows_are_what_runs_out_in_whole_episodes() {
    let shape = ReplayShape {
        capacity: 10,
        frame_stack: 2,
        action_dim: 1,
        observed: ObservedShape::rgb(SIDE),
        episode_steps: 4,
    };
    let mut replay = Replay::new(&gpu(), shape).unwrap();
    for pushed in 0..40 {
        if pushed % 4 == 0 {
            claim(&mut replay);
        }
        let next = claim(&mut replay);
        let step = Transition::default();
        let transition = StoredTransition::new(&[next - 1, next - 1], next, &step, vec![0.0]);
        replay.push(&transition).unwrap();
        assert_eq!(replay.held(), 10.min(pushed + 1));
        assert_eq!(replay.oldest().0 as usize, pushed + 1 - replay.held());
    }
}

/// Only a task that ended has no value beyond: a time limit is no end, alone or not.
///
/// Sabotage tried: `terminated || truncated` in `StoredTransition::new`. Turns this red.
#[test]
fn a_time_limit_is_no_end() {
    let shape = ReplayShape {
        capacity: 4,
        frame_stack: 1,
        action_dim: 2,
        observed: ObservedShape::rgb(SIDE),
        episode_steps: 4,
    };
    let mut replay = Replay::new(&gpu(), shape).unwrap();
    let first = claim(&mut replay);
    let ends = [(false, false), (false, true), (true, false), (true, true)];
    for (i, (terminated, truncated)) in ends.into_iter().enumerate() {
        let next = claim(&mut replay);
        let step = Transition {
            reward: i as f32,
            terminated,
            truncated,
        };
        let transition = StoredTransition::new(&[first], next, &step, vec![0.5, -0.5]);
        replay.push(&transition).unwrap();
        let logged = StoredTransition::from_bytes(&transition.to_bytes(), &shape);
        assert_eq!(logged, Some(transition));
    }
    let drawn = draw(&replay, 0, 64);
    for (reward, not_done) in drawn.reward.iter().zip(&drawn.not_done) {
        let (terminated, _) = ends[*reward as usize];
        assert_eq!(*not_done, if terminated { 0.0 } else { 1.0 });
    }
    let distinct: HashSet<u32> = drawn.reward.iter().map(|r| *r as u32).collect();
    assert_eq!(distinct.len(), 4);
}

/// The replay that a run wrote: frames' bytes and transitions, from the first.
fn logged(directory: &RunDirectory, shape: &ReplayShape) -> (Vec<Vec<u8>>, Vec<StoredTransition>) {
    let store = CheckpointStore::new(directory.checkpoints());
    let checkpoint = store.load_latest(|_| Ok(())).unwrap().unwrap().checkpoint;
    let layout = ReplayLayout {
        frame_bytes: shape.observed.bytes() as u64,
        transition_bytes: shape.transition_bytes() as u64,
    };
    let position = checkpoint.meta().replay;
    let mut reader = ReplayReader::open(&directory.replay(), layout, &position).unwrap();
    let (mut frames, mut transitions) = (vec![], vec![]);
    while let Some(chunk) = reader.next_chunk().unwrap() {
        match chunk {
            ReplayChunk::Frames { bytes, .. } => {
                let each = bytes.chunks(layout.frame_bytes as usize);
                frames.extend(each.map(<[u8]>::to_vec));
            }
            ReplayChunk::Transitions { bytes, .. } => {
                let each = bytes.chunks(layout.transition_bytes as usize);
                transitions.extend(each.map(|b| StoredTransition::from_bytes(b, shape).unwrap()));
            }
        }
    }
    (frames, transitions)
}

/// What the same actions lead to in the run's world, stepped by hand: every frame, the
/// rewards, and the return of each whole episode.
fn by_hand(config: &Config, actions: &[Vec<f32>]) -> (Vec<Vec<u8>>, Vec<f32>, Vec<f32>) {
    let store = FrameStore::new(&gpu(), 1, FrameShape::rgb(config.image_size)).unwrap();
    let mut env = open(&gpu(), &store, &env_options(config, Mode::Train, 1, None)).unwrap();
    let (mut frames, mut rewards, mut returns) = (vec![], vec![], vec![]);
    let (mut episode, mut sum, mut answer) = (0, 0.0, [Transition::default()]);
    answer[0].truncated = true;
    for action in actions {
        if answer[0].truncated {
            env.reset(0, episode).unwrap();
            episode += 1;
            sum = 0.0;
            env.observe(&[0]).unwrap();
            frames.push(gpu().read_blocking(&store.slot(0)).unwrap());
        }
        env.step(action, &mut answer).unwrap();
        env.observe(&[0]).unwrap();
        frames.push(gpu().read_blocking(&store.slot(0)).unwrap());
        rewards.push(answer[0].reward);
        sum += answer[0].reward;
        if answer[0].truncated {
            returns.push(sum);
        }
    }
    (frames, rewards, returns)
}

/// A run of three episodes, each ended by its time limit, and a part of a fourth:
/// every stack is of one episode, whose first frame stands for those before it, and what is
/// stored is what was done and what came of it.
///
/// Sabotages tried: a stack that begins with the last frames of the episode before, an
/// episode whose end goes unnoticed (no reset), a time limit stored as an end, the frame
/// from before the step in the place of what came of it, no action stored, half of the
/// reward, returns that go on over episodes. Each turns this red.
#[test]
fn stacks_of_a_run_keep_to_their_episodes() {
    let config = Config {
        image_size: 16,
        action_repeat: Some(2),
        batch: 2,
        num_filters: 4,
        projection_dim: 4,
        hidden_dim: 8,
        // Only random actions: nothing is learned here.
        init_steps: 1_000,
        steps: 170,
        replay_capacity: 400,
        checkpoint_freq: 60,
        eval_freq: 1_000,
        ..Config::new(AgentKind::Sac, "native/reach", Preset::Tiny)
    };
    let folder = tempfile::tempdir().unwrap();
    let directory = RunDirectory::create(folder.path().join("run")).unwrap();
    let mut trainer = Trainer::new(&gpu(), &config, directory, None, &mut |text| {
        panic!("{text}")
    })
    .unwrap();
    let _ = trainer.run(&mut |_| ControlFlow::Continue(())).unwrap();
    let shape = ReplayShape {
        capacity: config.replay_capacity,
        frame_stack: 3,
        action_dim: 2,
        observed: ObservedShape::rgb(16),
        episode_steps: 50,
    };
    let (frames, transitions) = logged(trainer.directory(), &shape);
    assert_eq!((frames.len(), transitions.len()), (174, 170));
    let actions: Vec<Vec<f32>> = (0..170)
        .map(|step| trainer.agent().random_action(step).unwrap().unwrap())
        .collect();
    let (shown, rewards, returns) = by_hand(&config, &actions);
    assert!(frames == shown, "other frames than by hand");
    assert!(rewards.iter().any(|r| *r > 0.0));
    for ((transition, action), reward) in transitions.iter().zip(actions).zip(rewards) {
        assert_eq!((&transition.action, transition.reward), (&action, reward));
    }
    let metrics = std::fs::read_to_string(trainer.directory().metrics()).unwrap();
    let told: Vec<f32> = (metrics.lines())
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .filter(|line| line["kind"] == "episode")
        .map(|line| line["return"].as_f64().unwrap() as f32)
        .collect();
    assert_eq!((told.len(), told), (3, returns));
    for (t, transition) in transitions.iter().enumerate() {
        let first = 51 * (t as u64 / 50);
        let newest = first + t as u64 % 50 + 1;
        let of = |age: u64| newest.saturating_sub(age).max(first);
        assert_eq!(transition.frames, [of(3), of(2), of(1), of(0)], "step {t}");
        assert!(!transition.terminated, "step {t} is no end");
    }
    // Every frame was drawn: the world moves, and each episode starts elsewhere.
    let distinct: HashSet<&Vec<u8>> = frames.iter().collect();
    assert!(distinct.len() > 150, "{} distinct frames", distinct.len());
    let starts: HashSet<&Vec<u8>> = (0..4).map(|e| &frames[51 * e]).collect();
    assert_eq!(starts.len(), 4);
}
