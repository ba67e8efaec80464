//! An update is one submission of a program that was compiled before: while agents
//! learn, nothing is created on the device, nothing is allocated and nothing read back.

mod common;

use std::collections::HashSet;

use common::gpu;
use foveate::agents::{Agent, ObservedShape, OverlayBank, Replay, ReplayShape, StoredTransition};
use foveate::config::{AgentKind, Config, Preset};
use foveate::gpu::Gpu;

const ACTIONS: usize = 2;

/// An agent so small that compiling it takes longer than learning; its actor, targets
/// and auxiliary phase have turns of their own.
fn small_agent(gpu: &Gpu, kind: AgentKind) -> (Agent, Replay) {
    let config = Config {
        image_size: 8,
        num_shared_layers: 1,
        num_head_layers: (kind == AgentKind::Pad) as usize,
        batch: 2,
        soda_batch_size: 3,
        num_filters: 2,
        hidden_dim: 8,
        projection_dim: 4,
        decoder_channels: [4, 4],
        replay_capacity: 20,
        actor_update_freq: 2,
        critic_target_update_freq: 3,
        aux_update_freq: 2,
        ..Config::new(kind, "native/reach", Preset::Tiny)
    };
    let shape = ReplayShape {
        capacity: config.replay_capacity,
        frame_stack: config.frame_stack,
        action_dim: ACTIONS,
        observed: ObservedShape::rgb(config.rendered_size()),
        episode_steps: 10,
    };
    let mut replay = Replay::new(gpu, shape).unwrap();
    let bytes = replay.store().shape().bytes();
    for n in 0..10 {
        let frame = replay.next_frame().unwrap();
        replay
            .write_frame(frame, &vec![20 * n as u8; bytes])
            .unwrap();
        let frames = (0..=config.frame_stack as u64).rev();
        let transition = StoredTransition {
            frames: frames.map(|back| frame.saturating_sub(back)).collect(),
            reward: n as f32,
            terminated: false,
            action: vec![0.1 * n as f32; ACTIONS],
        };
        replay.push(&transition).unwrap();
    }
    let picture = 3 * config.image_size * config.image_size;
    let pictures = [vec![0; picture], vec![200; picture]];
    let bank = OverlayBank::new(gpu, &pictures, config.image_size).unwrap();
    let mut agent = Agent::new(gpu, &config, ACTIONS).unwrap();
    agent.compile_updates(&replay, Some(&bank)).unwrap();
    (agent, replay)
}

/// Everything on the device that wgpu counts and that replaying must leave alone.
/// Command encoders are not among it: an update records into one, which wgpu takes
/// from a pool and returns when the device is done with it. Not every backend counts
/// memory allocations; all count buffers.
fn created(gpu: &Gpu) -> Vec<(&'static str, isize)> {
    let counters = gpu.device().get_internal_counters().hal;
    vec![
        ("buffers", counters.buffers.read()),
        ("buffer memory", counters.buffer_memory.read()),
        ("textures", counters.textures.read()),
        ("texture views", counters.texture_views.read()),
        ("texture memory", counters.texture_memory.read()),
        ("memory allocations", counters.memory_allocations.read()),
        ("bind groups", counters.bind_groups.read()),
        ("bind group layouts", counters.bind_group_layouts.read()),
        ("compute pipelines", counters.compute_pipelines.read()),
        ("pipeline layouts", counters.pipeline_layouts.read()),
        ("shader modules", counters.shader_modules.read()),
        ("query sets", counters.query_sets.read()),
    ]
}

/// The number of the next submission, which this call uses up.
fn submission(gpu: &Gpu) -> u64 {
    let index = format!("{:?}", gpu.queue().submit([]));
    let digits: String = index.chars().filter(char::is_ascii_digit).collect();
    digits
        .parse()
        .unwrap_or_else(|_| panic!("no number in {index}"))
}

/// The bytes of everything that training changes.
fn state(agent: &Agent) -> Vec<u8> {
    let read = |(_, _, _, range)| agent.gpu().read_blocking(&range).unwrap();
    agent.tensors().into_iter().flat_map(read).collect()
}

#[test]
fn an_update_is_one_submission_and_creates_nothing() {
    let gpu = gpu();
    for name in AgentKind::NAMES {
        let kind: AgentKind = name.parse().unwrap();
        let (agent, _replay) = small_agent(&gpu, kind);
        let turns: HashSet<_> = (0..6).map(|step| agent.turn(step)).collect();
        assert_eq!(agent.updates().count(), turns.len(), "{kind}");
        assert!(turns.len() > 1, "{kind}");
        let steps = 0..10 * 6u64; // every turn comes at least ten times
        for step in 0..6 {
            agent.update(step).unwrap();
        }
        gpu.wait().unwrap();
        let before = created(&gpu);
        for (what, count) in [("buffers", 0), ("bind groups", 6), ("compute pipelines", 7)] {
            let counted = before.iter().find(|(name, _)| *name == what).unwrap().1;
            assert!(counted > count, "{what} are not counted: {before:?}");
        }
        let first = submission(&gpu);
        for step in steps.clone() {
            agent.update(step).unwrap();
            // Before the device is waited for: what an update had made for itself
            // would be alive still.
            assert_eq!(created(&gpu), before, "{kind}, step {step}");
        }
        assert_eq!(submission(&gpu) - first, steps.end + 1, "{kind}");
        gpu.wait().unwrap();
        assert_eq!(created(&gpu), before, "{kind}");
    }
}

#[test]
fn a_program_in_the_callers_encoder_waits_for_the_callers_submission() {
    let gpu = gpu();
    let (agent, _replay) = small_agent(&gpu, AgentKind::Sgqn);
    for step in 0..6 {
        agent.update(step).unwrap();
    }
    for (turn, program) in agent.updates() {
        let (old, counted) = (state(&agent), created(&gpu));
        let first = submission(&gpu);
        let mut encoder = gpu.device().create_command_encoder(&Default::default());
        program.encode(&mut encoder);
        // The encoder keeps alive whatever was made for it.
        let commands = encoder.finish();
        gpu.wait().unwrap();
        assert_eq!(created(&gpu), counted, "{turn:?}");
        assert_eq!(submission(&gpu) - first, 1, "{turn:?}");
        assert!(state(&agent) == old, "{turn:?}: nothing was submitted yet");
        gpu.queue().submit([commands]);
        assert!(
            state(&agent) != old,
            "{turn:?}: an update changes something"
        );
    }
}
