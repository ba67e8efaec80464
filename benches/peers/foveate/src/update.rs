//! One SGQN update at the paper's size, from a replay on the device.

use foveate::agents::{Agent, OverlayBank, Replay, ObservedShape, ReplayShape, StoredTransition};
use foveate::config::{AgentKind, Config, Preset};
use foveate::envs::Transition;
use foveate::gpu::Gpu;
use peers_harness::{Failure, Work, signed};

const CAPACITY: usize = 256;
const EPISODE: u64 = 50;
const ACTIONS: usize = 2;
const PICTURES: usize = 8;

/// The updates of one parity of the step count.
pub struct Update {
    agent: Agent,
    gpu: Gpu,
    step: u64,
    // The programs read what these hold.
    _replay: Replay,
    _bank: OverlayBank,
}

impl Update {
    pub fn new(gpu: &Gpu, step: u64) -> Result<Update, Failure> {
        let config = Config {
            replay_capacity: CAPACITY,
            ..Config::new(AgentKind::Sgqn, "native/reach", Preset::Paper)
        };
        let side = config.image_size;
        let bytes = |seed: u32| -> Vec<u8> {
            let numbers = signed(seed, 3 * side * side, 1.0);
            numbers.iter().map(|x| (127.5 + 127.5 * x) as u8).collect()
        };
        let mut agent = Agent::new(gpu, &config, ACTIONS)?;
        let mut replay = Replay::new(
            gpu,
            ReplayShape {
                capacity: CAPACITY,
                frame_stack: config.frame_stack,
                action_dim: ACTIONS,
                observed: ObservedShape::rgb(side),
                episode_steps: EPISODE as usize,
            },
        )?;
        let stack = config.frame_stack as u64;
        for seed in 0..EPISODE + stack {
            let frame = replay.next_frame()?;
            replay.write_frame(frame, &bytes(seed as u32))?;
        }
        for step in 0..EPISODE {
            let transition = Transition {
                reward: signed(500, EPISODE as usize, 1.0)[step as usize],
                terminated: false,
                truncated: step + 1 == EPISODE,
            };
            let frames: Vec<u64> = (step..step + stack).collect();
            let action = signed(600 + step as u32, ACTIONS, 1.0);
            let stored = StoredTransition::new(&frames, step + stack, &transition, action);
            replay.push(&stored)?;
        }
        let pictures: Vec<Vec<u8>> = (0..PICTURES as u32).map(|p| bytes(700 + p)).collect();
        let bank = OverlayBank::new(gpu, &pictures, side)?;
        agent.compile_updates(&replay, Some(&bank))?;
        Ok(Update {
            agent,
            gpu: gpu.clone(),
            step,
            _replay: replay,
            _bank: bank,
        })
    }
}

impl Work for Update {
    fn run(&mut self) -> Result<(), Failure> {
        self.agent.update(self.step)?;
        Ok(self.gpu.wait()?)
    }

    fn results(&mut self) -> Result<Vec<(String, Vec<f32>)>, Failure> {
        let watched = self.agent.watched()?;
        if watched.is_empty() {
            return Err("nothing was run".into());
        }
        Ok((watched.into_iter()).map(|(n, v)| (n, vec![v])).collect())
    }

    fn comparable(&self) -> bool {
        false
    }
}
