//! Whole updates of an agent, from replay to new parameters: one row for each turn
//! that occurs, and what recording the smallest ones costs the host.

use std::cell::OnceCell;
use std::rc::Rc;

use super::{Pass, Scale, Work};
use crate::Error;
use crate::agents::sac::Turn;
use crate::agents::{Agent, ObservedShape, OverlayBank, Replay, ReplayShape, StoredTransition};
use crate::bench::Subject;
use crate::config::{AgentKind, Config, Preset};
use crate::envs::Transition;
use crate::gpu::Gpu;
use crate::tape::TapeError;

/// |A|.
pub const ACTIONS: usize = 2;
/// Transitions in the replay; how many there are changes nothing.
const CAPACITY: usize = 256;
/// Agent steps of the episode in it.
const STEPS: u64 = 50;
/// Pictures to overlay.
const PICTURES: usize = 8;

pub fn works(scale: Scale) -> Vec<Work> {
    let presets: &[Preset] = match scale.quick {
        true => &[Preset::Tiny, Preset::Laptop],
        false => &[Preset::Tiny, Preset::Laptop, Preset::Paper],
    };
    let mut works = vec![];
    for &preset in presets {
        for (kind, name) in [
            (AgentKind::Sac, "sac_update"),
            (AgentKind::Sgqn, "sgqn_update"),
            (AgentKind::Dqn, "dqn_update"),
        ] {
            let config = Config {
                replay_capacity: CAPACITY,
                ..Config::new(kind, "native/reach", preset)
            };
            // All turns of an agent share it: making one takes a while.
            let agent: Rc<OnceCell<Rc<Agent>>> = Rc::default();
            for turn in Turn::all(&config).into_iter().rev() {
                let shape = format!("{preset}, batch {}: {turn}", config.batch);
                let recorded = format!("{name} {shape}; host, per dispatch");
                let run = {
                    let (agent, config) = (agent.clone(), config.clone());
                    move |gpu: &Gpu| prepare(gpu, &agent, &config, turn)
                };
                works.push(Work::new(name, shape, Pass::Step, run.clone()));
                // Longer work on the device makes no difference to the host.
                if preset == Preset::Tiny {
                    let record = move |gpu: &Gpu| Ok(run(gpu)?.recording());
                    works.push(Work::new("record", recorded, Pass::Step, record));
                }
            }
        }
    }
    works
}

/// The update of one turn, of the agent in `shared` if that lives on this device.
fn prepare(
    gpu: &Gpu,
    shared: &OnceCell<Rc<Agent>>,
    config: &Config,
    turn: Turn,
) -> Result<Subject, Error> {
    let here = |made: &&Rc<Agent>| std::ptr::eq(made.gpu().device(), gpu.device());
    let agent = match shared.get().filter(here) {
        Some(made) => made.clone(),
        None => {
            let made = Rc::new(compiled(gpu, config)?);
            // Where another device's is kept, this one is not shared.
            let _ = shared.set(made.clone());
            made
        }
    };
    let unknown = || TapeError::UnknownName {
        what: "update program",
        given: turn.to_string(),
        known: "the turns of this configuration".to_string(),
    };
    Subject::update(agent, turn).ok_or_else(|| unknown().into())
}

/// A fresh agent with its update programs.
fn compiled(gpu: &Gpu, config: &Config) -> Result<Agent, Error> {
    let mut agent = Agent::new(gpu, config, ACTIONS)?;
    let side = config.image_size;
    let pictures: Vec<Vec<u8>> = (0..PICTURES).map(|p| picture(side, p)).collect();
    let overlays = OverlayBank::new(gpu, &pictures, side)?;
    agent.compile_updates(&replay(gpu, config)?, Some(&overlays))?;
    Ok(agent)
}

/// A replay that holds one episode.
fn replay(gpu: &Gpu, config: &Config) -> Result<Replay, Error> {
    let side = config.image_size;
    let mut replay = Replay::new(
        gpu,
        ReplayShape {
            capacity: CAPACITY,
            frame_stack: config.frame_stack,
            action_dim: ACTIONS,
            observed: ObservedShape::rgb(side),
            episode_steps: STEPS as usize,
        },
    )?;
    let stack = config.frame_stack as u64;
    for seed in 0..STEPS + stack {
        let frame = replay.next_frame()?;
        replay.write_frame(frame, &picture(side, seed as usize))?;
    }
    for step in 0..STEPS {
        let answer = Transition {
            reward: 0.5,
            terminated: false,
            truncated: step + 1 == STEPS,
        };
        let frames: Vec<u64> = (step..step + stack).collect();
        let action = vec![0.1; ACTIONS];
        replay.push(&StoredTransition::new(
            &frames,
            step + stack,
            &answer,
            action,
        ))?;
    }
    Ok(replay)
}

/// Some picture, u8[3, side, side].
fn picture(side: usize, seed: usize) -> Vec<u8> {
    (0..3 * side * side)
        .map(|i| ((i * 7 + seed * 13) % 251) as u8)
        .collect()
}
