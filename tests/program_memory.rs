//! What SGQN's update programs take on a device, known without taking it: planned at
//! the size of every preset, the paper's included.

mod common;

use common::gpu;
use foveate::agents::{Agent, ObservedShape, OverlayBank, Replay, ReplayShape, sac::Turn};
use foveate::config::{AgentKind, Config, Preset};
use foveate::tape::MemoryReport;

const ACTIONS: usize = 6;

/// The plan of every turn's update.
fn planned(preset: Preset) -> Vec<(Turn, MemoryReport)> {
    let gpu = gpu();
    let config = Config {
        // What is not the program's: as small as can be.
        replay_capacity: 10,
        overlay_pictures: 2,
        ..Config::new(AgentKind::Sgqn, "native/reach", preset)
    };
    let shape = ReplayShape {
        capacity: config.replay_capacity,
        frame_stack: config.frame_stack,
        action_dim: ACTIONS,
        observed: ObservedShape::rgb(config.image_size),
        episode_steps: 10,
    };
    let replay = Replay::new(&gpu, shape).unwrap();
    let picture = vec![0; replay.store().shape().bytes()];
    let pictures = vec![picture; config.overlay_pictures];
    let bank = OverlayBank::new(&gpu, &pictures, config.image_size).unwrap();
    let agent = Agent::new(&gpu, &config, ACTIONS).unwrap();
    let report = |turn| {
        let program = agent.plan_update(&replay, Some(&bank), turn).unwrap();
        (turn, program.memory())
    };
    Turn::all(&config).into_iter().map(report).collect()
}

/// Sabotage tried: lifetimes ignored. (Slots placed in the order in which they are asked
/// for stay within the bound.)
#[test]
fn an_update_takes_little_more_than_what_is_alive_at_its_worst_moment() {
    for preset in [Preset::Tiny, Preset::Laptop, Preset::Paper] {
        for (turn, memory) in planned(preset) {
            let ratio = memory.planned as f64 / memory.worst_moment as f64;
            println!("{preset} {turn}: {memory:?}, {ratio:.3}");
            assert!(memory.worst_moment > 0);
            assert!(
                (1.0..=1.3).contains(&ratio),
                "{preset} {turn}: {memory:?}, {ratio:.3}"
            );
            if preset == Preset::Paper {
                assert!(memory.planned < 2 << 30, "{turn}: {memory:?}");
            }
        }
    }
}
