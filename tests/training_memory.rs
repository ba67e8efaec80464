//! What a run says that it takes on the device is what the device has given out.

mod common;

use common::skip::skipped;
use common::{gpu, own_gpu};
use foveate::agents::{Trainer, TrainingMemory};
use foveate::config::{AgentKind, Config, Preset};
use foveate::gpu::Gpu;
use foveate::run::RunDirectory;

const SIDE: usize = 16;

/// Opens a run and closes it: what it says, and by how much the device's count of
/// bytes in buffers rose; `None` where wgpu does not count.
fn opened(gpu: &Gpu, agent: AgentKind, capacity: usize) -> (TrainingMemory, Option<u64>) {
    let config = Config {
        image_size: SIDE,
        action_repeat: Some(2),
        batch: 8,
        num_filters: 4,
        num_shared_layers: 2,
        decoder_channels: [4, 4],
        overlay_pictures: 5,
        replay_capacity: capacity,
        ..Config::new(agent, "native/reach", Preset::Tiny)
    };
    let counted = || {
        // What has been used up is freed.
        gpu.wait().unwrap();
        let bytes = gpu
            .device()
            .get_internal_counters()
            .hal
            .buffer_memory
            .read();
        u64::try_from(bytes).unwrap()
    };
    let before = counted();
    let folder = tempfile::tempdir().unwrap();
    let directory = RunDirectory::create(folder.path().join("run")).unwrap();
    let trainer = Trainer::new(gpu, &config, directory, None, &mut |_| {}).unwrap();
    let rose = counted() - before;
    let tensors = trainer.agent().tensors();
    let bytes: u64 = tensors.iter().map(|t| t.3.size).sum();
    let state = trainer.memory().state;
    // Each tensor begins at a multiple of 256 bytes.
    let most = bytes + 256 * tensors.len() as u64;
    assert!((bytes..most).contains(&state), "{state} of {bytes}");
    (trainer.memory(), (rose > 0).then_some(rose))
}

#[test]
fn what_a_run_says_is_what_the_device_has_given_out() {
    for agent in [AgentKind::Sac, AgentKind::Sgqn, AgentKind::SgqnDqn] {
        // A device of its own: what a run leaves behind is given back while the next is open.
        let (said, rose) = opened(&own_gpu(), agent, 6_000);
        println!(
            "{agent}: {said:?}, {} in all, {rose:?} given out",
            said.total()
        );
        let Some(rose) = rose else {
            skipped("this backend does not count");
            return;
        };
        assert!(said.total() <= rose, "{said:?}: {rose}");
        assert!(rose - said.total() < said.total() / 20, "{said:?}: {rose}");
        let pictures = if agent == AgentKind::Sac { 0 } else { 5 };
        assert_eq!(said.pictures, pictures * 3 * (SIDE * SIDE) as u64);
    }
}

#[test]
fn a_larger_replay_takes_as_much_more_and_nothing_else_changes() {
    let gpu = gpu();
    let (small, _) = opened(&gpu, AgentKind::Sgqn, 1_000);
    let (large, _) = opened(&gpu, AgentKind::Sgqn, 3_000);
    // An episode of 50 steps has 51 frames. A row: four numbers of frames, reward,
    // not_done, two actions.
    let frames = 2_000 + 2_000 / 50;
    let more = frames * 3 * (SIDE * SIDE) as u64 + 2_000 * 4 * 8;
    assert_eq!(large.replay - small.replay, more);
    assert_eq!(
        TrainingMemory {
            replay: small.replay,
            ..large
        },
        small
    );
}
