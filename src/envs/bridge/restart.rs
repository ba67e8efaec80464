//! A bridge that outlives its workers.
//!
//! When a worker dies, hangs, sends rubbish, or its environment raises in the middle
//! of an episode, another one is started in its place. What the dead one knew is gone,
//! so every episode that it ran is lost: its next step answers `truncated` with a
//! reward of 0 and the frame that was seen last, and [`LastingBridge::outcome`] says that
//! this transition never happened and must not be learned from. The run goes on with
//! the next reset. Workers that die again and again end it:
//! [`BridgeError::RepeatedDeaths`] where deaths are close together,
//! [`BridgeError::NoEpisodeEnds`] where no episode comes to its end between them, however
//! long episodes are.

use std::collections::VecDeque;

use super::{Bridge, BridgeError, BridgeOptions, frame_bytes};
use crate::envs::{EnvSpec, Outcome, Transition};

/// How often workers may be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restarts {
    /// Deaths that are mended among any `within` steps of the group, and between two
    /// ends of episodes; the next one is an error. 0: none is mended.
    pub most: usize,
    /// Agent steps of the group.
    pub within: u64,
}

impl Default for Restarts {
    /// 3 within 1,000 steps.
    fn default() -> Restarts {
        Restarts {
            most: 3,
            within: 1_000,
        }
    }
}

/// What a saved state begins with where a worker's own is not all that there is to
/// know. (A worker's state is JSON.)
const MAGIC: &[u8; 4] = b"FOVL";

/// A group of environments of a real suite whose workers are replaced when they die.
#[derive(Debug)]
pub struct LastingBridge {
    bridge: Bridge,
    options: BridgeOptions,
    /// The latest frames, as in [`Bridge::frames`]; of a lost episode its last one.
    frames: Vec<u8>,
    /// Episodes that ended with their worker, until their next step or reset.
    lost: Vec<bool>,
    /// Whether the last step of each environment was such an end.
    ended: Vec<bool>,
    /// Agent steps so far, and at which of them workers died of late.
    steps: u64,
    deaths: VecDeque<u64>,
    /// Deaths since an episode came to its end.
    fruitless: usize,
    /// Workers replaced since the beginning, also before a restore.
    replaced: u64,
    /// The last worker is dead and there will be no other.
    given_up: bool,
    notices: Vec<String>,
}

impl LastingBridge {
    /// Watches over an open bridge.
    pub fn new(bridge: Bridge) -> LastingBridge {
        let n = bridge.n();
        LastingBridge {
            options: bridge.options().clone(),
            frames: bridge.frames().to_vec(),
            bridge,
            lost: vec![false; n],
            ended: vec![false; n],
            steps: 0,
            deaths: VecDeque::new(),
            fruitless: 0,
            replaced: 0,
            given_up: false,
            notices: vec![],
        }
    }

    /// The bridge to the present worker.
    pub fn bridge(&self) -> &Bridge {
        &self.bridge
    }

    /// What the environments are.
    pub fn spec(&self) -> &EnvSpec {
        self.bridge.spec()
    }

    /// How many there are.
    pub fn n(&self) -> usize {
        self.bridge.n()
    }

    /// The latest frames, `u8[n][3][image_size][image_size]`.
    pub fn frames(&self) -> &[u8] {
        &self.frames
    }

    /// What is known of the last step of environment `index` beside its transition.
    pub fn outcome(&self, index: usize) -> Option<Outcome> {
        match self.ended.get(index)? {
            true => Some(Outcome {
                lost: true,
                ..Outcome::default()
            }),
            false => self.bridge.outcomes().get(index).copied(),
        }
    }

    /// What a person should know that happened since the last call.
    pub fn take_notices(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notices)
    }

    /// Begins an episode of environment `index`.
    ///
    /// # Errors
    /// [`BridgeError::RepeatedDeaths`], [`BridgeError::NoEpisodeEnds`],
    /// [`BridgeError::NoSuchIndex`].
    pub fn reset(&mut self, index: usize) -> Result<(), BridgeError> {
        let size = frame_bytes(self.spec().image_size);
        let mut frame = vec![0; size];
        loop {
            match self.bridge.reset(index, &mut frame) {
                Ok(()) => break,
                Err(error) => self.mend(error)?,
            }
        }
        self.lost[index] = false;
        self.ended[index] = false;
        self.frames[index * size..][..size].copy_from_slice(&frame);
        Ok(())
    }

    /// One agent step of every environment, as [`Bridge::step`].
    ///
    /// # Errors
    /// [`BridgeError::RepeatedDeaths`], [`BridgeError::NoEpisodeEnds`], and those of
    /// wrong arguments.
    pub fn step(
        &mut self,
        actions: &[f32],
        transitions: &mut [Transition],
    ) -> Result<(), BridgeError> {
        self.bridge.check_step(actions, transitions)?;
        self.steps += 1;
        let size = frame_bytes(self.spec().image_size);
        while !self.lost.iter().all(|&lost| lost) {
            match self.step_running(actions, transitions) {
                Ok(()) => break,
                Err(error) => self.mend(error)?,
            }
        }
        let fresh = self.bridge.frames();
        for (index, transition) in transitions.iter_mut().enumerate() {
            let at = index * size..(index + 1) * size;
            match self.lost[index] {
                true => {
                    *transition = Transition {
                        reward: 0.0,
                        terminated: false,
                        truncated: true,
                    }
                }
                false => {
                    self.frames[at.clone()].copy_from_slice(&fresh[at]);
                    if transition.terminated || transition.truncated {
                        self.fruitless = 0;
                    }
                }
            }
        }
        self.ended.copy_from_slice(&self.lost);
        self.lost.fill(false);
        Ok(())
    }

    /// Steps the group where at least one episode runs. Those that are lost have to
    /// run too, for a worker steps all or none; nobody sees what comes of them.
    fn step_running(
        &mut self,
        actions: &[f32],
        transitions: &mut [Transition],
    ) -> Result<(), BridgeError> {
        let mut unseen = vec![0; frame_bytes(self.spec().image_size)];
        for index in (0..self.n()).filter(|&i| self.lost[i]) {
            self.bridge.reset(index, &mut unseen)?;
        }
        self.bridge.step(actions, transitions)
    }

    /// Everything that decides the group's future. After [`BridgeError::RepeatedDeaths`]
    /// or [`BridgeError::NoEpisodeEnds`] that is a fresh worker whose episodes are lost.
    ///
    /// # Errors
    /// [`BridgeError::RepeatedDeaths`].
    pub fn save(&mut self) -> Result<Vec<u8>, BridgeError> {
        let state = loop {
            if self.given_up {
                break vec![];
            }
            match self.bridge.save() {
                Ok(state) => break state,
                Err(error) => self.mend(error)?,
            }
        };
        if self.replaced == 0 && !self.given_up && !self.lost.contains(&true) {
            return Ok(state);
        }
        let lost = self.lost.iter().map(|&lost| u8::from(lost));
        let replaced = self.replaced.to_le_bytes();
        Ok(MAGIC
            .iter()
            .copied()
            .chain(replaced)
            .chain(lost)
            .chain(state)
            .collect())
    }

    /// Puts a state from [`save`](Self::save) back.
    ///
    /// # Errors
    /// [`BridgeError::State`] for one of something else;
    /// [`BridgeError::RepeatedDeaths`].
    pub fn restore(&mut self, saved: &[u8]) -> Result<(), BridgeError> {
        let n = self.n();
        let mut lost = vec![false; n];
        let mut state = saved;
        if let Some(rest) = saved.strip_prefix(MAGIC) {
            let parts = (rest.split_first_chunk::<8>())
                .and_then(|(replaced, rest)| Some((replaced, rest.split_at_checked(n)?)));
            let Some((replaced, (flags, rest))) = parts else {
                let reason = format!("it has {} bytes, too few for {n} environments", saved.len());
                return Err(BridgeError::State { reason });
            };
            self.replaced = u64::from_le_bytes(*replaced);
            lost = flags.iter().map(|&flag| flag != 0).collect();
            state = rest;
        }
        if state.is_empty() {
            self.bridge = self.reopened()?;
        }
        while !state.is_empty() {
            match self.bridge.restore(state) {
                Ok(()) => break,
                Err(error @ BridgeError::WorkerRaised { .. }) => return Err(error),
                Err(error) => self.mend(error)?,
            }
        }
        self.frames.copy_from_slice(self.bridge.frames());
        let broken_off = self.bridge.broken_off().iter();
        self.lost = lost.iter().zip(broken_off).map(|(a, b)| a | b).collect();
        self.ended.fill(false);
        Ok(())
    }

    /// Another worker in place of the one that `error` ended, unless it was a mistake
    /// of the caller or there were too many. Every episode is lost.
    fn mend(&mut self, mut error: BridgeError) -> Result<(), BridgeError> {
        if !error.is_death() {
            return Err(error);
        }
        let Restarts { most, within } = self.options.restarts;
        loop {
            let recent = |at: &u64| at + within > self.steps;
            self.deaths.retain(recent);
            self.lost.fill(true);
            let (deaths, fruitless) = (self.deaths.len() + 1, self.fruitless + 1);
            if deaths.max(fruitless) > most {
                self.given_up = true;
                let last = Box::new(error);
                return Err(match deaths > most {
                    true => BridgeError::RepeatedDeaths {
                        deaths,
                        within,
                        last,
                    },
                    false => BridgeError::NoEpisodeEnds {
                        deaths: fruitless,
                        last,
                    },
                });
            }
            self.fruitless = fruitless;
            self.deaths.push_back(self.steps);
            self.replaced += 1;
            match self.reopened() {
                Ok(bridge) => {
                    self.bridge = bridge;
                    self.notices.push(format!(
                        "warning: {error}\nanother worker took over; the running episode is lost (death {} of at most {most} within {within} steps)",
                        self.deaths.len(),
                    ));
                    return Ok(());
                }
                Err(another) => error = another,
            }
        }
    }

    /// A worker that plays other episodes than those before it.
    fn reopened(&self) -> Result<Bridge, BridgeError> {
        Bridge::open(BridgeOptions {
            seed: seed_after(self.options.seed, self.replaced),
            ..self.options.clone()
        })
    }
}

/// The seed of the worker after `replaced` others (finaliser of SplitMix64, Steele et
/// al. 2014); that of the first is `seed` itself.
fn seed_after(seed: u64, replaced: u64) -> u64 {
    let mut z = replaced.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    seed ^ z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::seed_after;

    #[test]
    fn each_worker_has_a_seed_of_its_own_and_the_first_the_users() {
        let seeds: Vec<u64> = (0..50).map(|k| seed_after(7, k)).collect();
        assert_eq!(seeds[0], 7);
        let mut different = seeds.clone();
        different.sort_unstable();
        different.dedup();
        assert_eq!(different.len(), seeds.len());
    }
}
