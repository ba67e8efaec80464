//! Real environments behind the common interface, against a worker that is a shell
//! script with prepared replies: no Python is needed.
#![cfg(unix)]

mod common;

use std::fs;

use foveate::Error;
use foveate::envs::backgrounds::Backgrounds;
use foveate::envs::bridge::{
    Bridge, BridgeEnvironment, BridgeOptions,
    protocol::{self, OPEN, REPLY, RESET, RESTORE, SAVE, STEP},
};
use foveate::envs::native::Mode;
use foveate::envs::{EnvError, Environment, Transition};
use foveate::gpu::{BufferRange, FrameShape, FrameStore, Gpu};
use tempfile::TempDir;

use common::gpu;

const SIZE: usize = 4;
const FRAME: usize = 3 * SIZE * SIZE;

/// A frame whose bytes all differ.
fn frame(first: u8) -> Vec<u8> {
    (0..FRAME as u8).map(|i| i + first).collect()
}

/// A bridge to a worker of two environments that answers with `replies` in order.
fn bridge(replies: &[(u16, Vec<u8>)]) -> (Bridge, TempDir) {
    let dir = TempDir::new().unwrap();
    let spec = format!(
        r#"{{"spec":{{"id":"fake/task","n":2,"image_size":{SIZE},"action_dim":1,"episode_steps":10,"action_repeat":4}},"versions":{{}}}}"#
    );
    let mut said = protocol::encode(OPEN | REPLY, spec.as_bytes());
    for (kind, payload) in replies {
        said.extend(protocol::encode(kind | REPLY, payload));
    }
    let file = dir.path().join("said");
    fs::write(&file, said).unwrap();
    let script = format!("cat '{}'; exec cat >/dev/null", file.display());
    let bridge = Bridge::open(BridgeOptions {
        n: 2,
        image_size: SIZE,
        command: Some(vec!["sh".into(), "-c".into(), script.into()]),
        ..BridgeOptions::new("fake/task")
    });
    (bridge.unwrap(), dir)
}

fn read(gpu: &Gpu, store: &FrameStore, slot: usize) -> Vec<u8> {
    gpu.read_blocking(&store.slot(slot)).unwrap()
}

/// What a worker says of one step.
fn outcome(reward: f32, truncated: u8) -> Vec<u8> {
    let mut bytes = reward.to_le_bytes().to_vec();
    bytes.extend([0, truncated, protocol::UNKNOWN, 0]);
    bytes.extend(reward.to_le_bytes());
    bytes
}

#[test]
fn frames_of_a_worker_arrive_in_their_slots_and_nowhere_else() {
    let gpu = gpu();
    let (bridge, _dir) = bridge(&[
        (RESET, frame(1)),
        (RESET, frame(2)),
        (
            STEP,
            [outcome(0.5, 0), outcome(2.0, 1), frame(3), frame(4)].concat(),
        ),
        (SAVE, b"state".to_vec()),
        (RESTORE, [frame(5), frame(6), vec![0, 0]].concat()),
    ]);
    // Two pages.
    let store =
        FrameStore::with_page_limit(&gpu, 3, FrameShape::rgb(SIZE), 2 * FRAME as u64).unwrap();
    for page in store.pages() {
        let poison = vec![0xA5; page.size() as usize];
        gpu.write(&BufferRange::whole(page), &poison).unwrap();
    }
    let mut env = BridgeEnvironment::new(&gpu, &store, bridge).unwrap();
    assert_eq!((env.count(), env.spec().action_dim), (2, 1));
    assert!(env.as_native().is_none());
    env.reset(0, 0).unwrap();
    env.reset(1, 0).unwrap();
    env.observe(&[2, FrameStore::NO_SLOT]).unwrap();
    assert_eq!(read(&gpu, &store, 2), frame(1));
    for slot in [0, 1] {
        assert_eq!(read(&gpu, &store, slot), [0xA5; FRAME]);
    }
    let mut transitions = [Transition::default(); 2];
    env.step(&[0.1, -0.2], &mut transitions).unwrap();
    assert_eq!(transitions.map(|t| t.reward), [0.5, 2.0]);
    assert_eq!(transitions.map(|t| t.truncated), [false, true]);
    assert_eq!(
        env.outcome(1).map(|o| (o.score, o.success)),
        Some((2.0, None))
    );
    env.observe(&[0, 1]).unwrap();
    assert_eq!(read(&gpu, &store, 0), frame(3));
    assert_eq!(read(&gpu, &store, 1), frame(4));
    assert_eq!(env.save().unwrap(), b"state");
    env.restore(b"state").unwrap();
    env.observe(&[1, 2]).unwrap();
    assert_eq!(read(&gpu, &store, 1), frame(5));
    assert_eq!(read(&gpu, &store, 2), frame(6));
    for slots in [&[0][..], &[0, 3], &[1, 1]] {
        assert!(env.observe(slots).is_err(), "{slots:?}");
    }
}

/// SPEC.md F.1: behind an episode runs the clip after that of the episode before, beginning
/// with the second, a moment further at every agent step. What is not green stays.
#[test]
fn green_shows_the_clip_of_the_episode_at_its_step() {
    let gpu = gpu();
    let green: Vec<u8> = [51, 204, 51]
        .iter()
        .flat_map(|&v| [v; SIZE * SIZE])
        .collect();
    let step = [outcome(0.0, 0), outcome(0.0, 0), green.clone(), frame(1)];
    let (bridge, _dir) = bridge(&[
        (RESET, green.clone()),
        (RESET, frame(1)),
        (STEP, step.concat()),
        (SAVE, b"state".to_vec()),
        (RESET, green.clone()),
        (RESTORE, [green.clone(), frame(1), vec![0, 0]].concat()),
    ]);
    let backgrounds = || Backgrounds::procedural(Mode::VideoHard, SIZE);
    let expected = |clip: usize, step: u64| {
        let mut behind = vec![0; FRAME];
        backgrounds().load(clip).unwrap().show(step, &mut behind);
        behind
    };
    let moments = [expected(1, 0), expected(1, 1), expected(2, 0)];
    assert!(moments[0] != moments[1] && moments[0] != moments[2]);

    let store = FrameStore::new(&gpu, 2, FrameShape::rgb(SIZE)).unwrap();
    let env = BridgeEnvironment::new(&gpu, &store, bridge).unwrap();
    let mut env = env.before(backgrounds()).unwrap();
    let sees = |env: &mut BridgeEnvironment, clip, step| {
        env.observe(&[0, 1]).unwrap();
        assert_eq!(
            read(&gpu, &store, 0),
            expected(clip, step),
            "{clip}, {step}"
        );
        assert_eq!(read(&gpu, &store, 1), frame(1));
    };
    env.reset(0, 0).unwrap();
    env.reset(1, 0).unwrap();
    sees(&mut env, 1, 0);
    // Seen twice it is the same moment.
    sees(&mut env, 1, 0);
    env.step(&[0.0; 2], &mut [Transition::default(); 2])
        .unwrap();
    sees(&mut env, 1, 1);
    let saved = env.save().unwrap();
    env.reset(0, 1).unwrap();
    sees(&mut env, 2, 0);
    env.restore(&saved).unwrap();
    sees(&mut env, 1, 1);
}

#[test]
fn a_store_of_other_frames_is_refused() {
    let gpu = gpu();
    let (bridge, _dir) = bridge(&[]);
    let store = FrameStore::new(&gpu, 2, FrameShape::rgb(2 * SIZE)).unwrap();
    let error = BridgeEnvironment::new(&gpu, &store, bridge).unwrap_err();
    let right = matches!(error, Error::Env(EnvError::FrameSize { given: SIZE, .. }));
    assert!(right, "{error}");

    let (bridge, _dir) = self::bridge(&[]);
    let store = FrameStore::new(&gpu, 2, FrameShape::rgb_and_saliency(SIZE)).unwrap();
    let error = BridgeEnvironment::new(&gpu, &store, bridge).unwrap_err();
    let right = matches!(error, Error::Env(EnvError::NoSaliency { .. }));
    assert!(right, "{error}");
}
