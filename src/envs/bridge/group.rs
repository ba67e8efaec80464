//! One group of environments of a real suite, in one worker.

use std::{collections::BTreeMap, time::Duration};

use super::error::BridgeError;
use super::options::BridgeOptions;
use super::process::Worker;
use super::protocol::{self, Message, OpenReply};
use super::{check_length, frame_bytes, handshake};
use crate::envs::{EnvSpec, Outcome, Transition};

/// How long a worker that was asked to leave may take.
const FAREWELL: Duration = Duration::from_secs(5);
/// What a restore may take more than another call for each step that it may have to play
/// again, as suites do that cannot be saved otherwise; and in all.
const REPLAYED_STEP: Duration = Duration::from_millis(100);
const LONGEST_REPLAY: Duration = Duration::from_secs(600);

/// A group of environments of a real suite.
///
/// An episode that ended (terminated or truncated) must be [`reset`](Self::reset)
/// before its next step; the frame that came with its end is the episode's last.
/// Dropping the bridge ends the worker.
#[derive(Debug)]
pub struct Bridge {
    worker: Worker,
    spec: EnvSpec,
    versions: BTreeMap<String, String>,
    options: BridgeOptions,
    frames: Vec<u8>,
    outcomes: Vec<Outcome>,
    /// Episodes that a restore could not continue.
    broken_off: Vec<bool>,
    request: Vec<u8>,
    /// The failure that ended the worker.
    broken: Option<String>,
}

impl Bridge {
    /// Starts a worker and builds the environments. None has begun an episode yet.
    pub fn open(options: BridgeOptions) -> Result<Bridge, BridgeError> {
        let (worker, reply) = handshake::open(&options)?;
        Ok(Bridge::assemble(worker, reply, options))
    }

    fn assemble(worker: Worker, reply: OpenReply, options: BridgeOptions) -> Bridge {
        let spec = EnvSpec {
            id: reply.spec.id,
            image_size: reply.spec.image_size,
            action_dim: reply.spec.action_dim,
            discrete_actions: reply.spec.discrete_actions,
            episode_steps: reply.spec.episode_steps,
            action_repeat: reply.spec.action_repeat,
        };
        Bridge {
            frames: vec![0; options.n * frame_bytes(spec.image_size)],
            outcomes: vec![Outcome::default(); options.n],
            broken_off: vec![false; options.n],
            request: Vec::with_capacity(options.n * spec.action_dim * 4),
            worker,
            spec,
            versions: reply.versions,
            options,
            broken: None,
        }
    }

    /// What it was opened with.
    pub fn options(&self) -> &BridgeOptions {
        &self.options
    }

    /// What the environments are.
    pub fn spec(&self) -> &EnvSpec {
        &self.spec
    }

    /// How many environments the group has.
    pub fn n(&self) -> usize {
        self.options.n
    }

    /// Versions of the packages behind the environments, by package name.
    pub fn versions(&self) -> &BTreeMap<String, String> {
        &self.versions
    }

    /// Process id of the worker.
    pub fn worker_id(&self) -> u32 {
        self.worker.id()
    }

    /// The latest frames, `u8[n][3][image_size][image_size]` (planes R, G, B);
    /// zero for environments that never began an episode.
    pub fn frames(&self) -> &[u8] {
        &self.frames
    }

    /// Begins an episode of environment `index`. Its first frame,
    /// `u8[3][image_size][image_size]`, goes to `frame` and into [`frames`](Self::frames).
    pub fn reset(&mut self, index: usize, frame: &mut [u8]) -> Result<(), BridgeError> {
        if index >= self.n() {
            return Err(BridgeError::NoSuchIndex {
                given: index,
                n: self.n(),
            });
        }
        let size = frame_bytes(self.spec.image_size);
        check_length("the frame", frame.len(), size, || {
            format!("3 × {0} × {0}", self.spec.image_size)
        })?;
        let reply = self.call("reset", protocol::RESET, &(index as u32).to_le_bytes())?;
        self.check_reply("reset", &reply, size)?;
        frame.copy_from_slice(&reply.payload);
        self.frames[index * size..][..size].copy_from_slice(&reply.payload);
        Ok(())
    }

    /// One agent step of every environment: each action is held for
    /// `action_repeat` control steps, or until the task ends.
    ///
    /// `actions` is `[n][action_dim]`, finite; values outside [−1, 1] are clipped, those
    /// that choose among `discrete_actions` must be one of their numbers.
    /// `transitions` has n elements. The new pictures are in [`frames`](Self::frames),
    /// what else was said in [`outcomes`](Self::outcomes).
    pub fn step(
        &mut self,
        actions: &[f32],
        transitions: &mut [Transition],
    ) -> Result<(), BridgeError> {
        self.check_step(actions, transitions)?;
        let n = self.n();
        let mut request = std::mem::take(&mut self.request);
        request.clear();
        request.extend(actions.iter().flat_map(|a| a.to_le_bytes()));
        let reply = self.call("step", protocol::STEP, &request);
        self.request = request;
        let reply = reply?;
        let head = n * protocol::OUTCOME_BYTES;
        self.check_reply("step", &reply, head + self.frames.len())?;
        let (outcomes, frames) = reply.payload.split_at(head);
        let each = outcomes.chunks_exact(protocol::OUTCOME_BYTES);
        for ((transition, outcome), bytes) in
            transitions.iter_mut().zip(&mut self.outcomes).zip(each)
        {
            let number = |at: usize| {
                f32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
            };
            *transition = Transition {
                reward: number(0),
                terminated: bytes[4] != 0,
                truncated: bytes[5] != 0,
            };
            *outcome = Outcome {
                success: (bytes[6] != protocol::UNKNOWN).then_some(bytes[6] == 1),
                score: number(8),
                lost: false,
            };
        }
        self.frames.copy_from_slice(frames);
        Ok(())
    }

    /// Refuses what [`step`](Self::step) would refuse before anything is sent.
    pub(super) fn check_step(
        &self,
        actions: &[f32],
        transitions: &[Transition],
    ) -> Result<(), BridgeError> {
        let (n, dim) = (self.n(), self.spec.action_dim);
        check_length("the actions", actions.len(), n * dim, || {
            format!("{n} environments × {dim} components")
        })?;
        check_length("the transitions", transitions.len(), n, || {
            format!("{n} environments")
        })?;
        if let Some(at) = actions.iter().position(|a| !a.is_finite()) {
            return Err(BridgeError::ActionNotFinite {
                environment: at / dim,
                component: at % dim,
                value: actions[at],
            });
        }
        let Some(count) = self.spec.discrete_actions else {
            return Ok(());
        };
        let wrong = |a: &f32| a.fract() != 0.0 || *a < 0.0 || *a >= count as f32;
        match actions.iter().position(wrong) {
            Some(environment) => Err(BridgeError::NoSuchAction {
                environment,
                value: actions[environment],
                count,
            }),
            None => Ok(()),
        }
    }

    /// What was said of the last step of each environment beside its transition.
    pub fn outcomes(&self) -> &[Outcome] {
        &self.outcomes
    }

    /// The names of all tasks of the suite, without its own name and '/'.
    pub fn tasks(&mut self) -> Result<Vec<String>, BridgeError> {
        let reply = self.call("tasks", protocol::TASKS, &[])?;
        serde_json::from_slice(&reply.payload)
            .map_err(|e| self.rubbish("tasks", format!("a list that is none: {e}")))
    }

    /// Everything that decides the group's future (physics, episode step, random
    /// generators), as bytes that only [`restore`](Self::restore) reads.
    pub fn save(&mut self) -> Result<Vec<u8>, BridgeError> {
        let reply = self.call("save", protocol::SAVE, &[])?;
        if reply.payload.is_empty() {
            return Err(self.rubbish("save", "an empty state".into()));
        }
        Ok(reply.payload)
    }

    /// Puts a state from [`save`](Self::save) back, also one of another process
    /// with the same id, n, action repeat and package versions; what follows is
    /// then the same to the bit, but for episodes that are [`Bridge::broken_off`].
    /// The seed of this bridge no longer matters.
    pub fn restore(&mut self, state: &[u8]) -> Result<(), BridgeError> {
        if state.len() > protocol::MAX_PAYLOAD as usize {
            return Err(BridgeError::State {
                reason: format!("it has {} bytes", state.len()),
            });
        }
        let steps = (self.n().saturating_mul(self.spec.episode_steps)).min(u32::MAX as usize);
        let replay = (REPLAYED_STEP.saturating_mul(steps as u32)).min(LONGEST_REPLAY);
        let timeout = self.options.call_timeout + replay;
        let reply = self.call_within("restore", protocol::RESTORE, state, timeout)?;
        let size = self.frames.len();
        self.check_reply("restore", &reply, size + self.n())?;
        let (frames, broken_off) = reply.payload.split_at(size);
        self.frames.copy_from_slice(frames);
        self.broken_off = broken_off.iter().map(|&flag| flag != 0).collect();
        Ok(())
    }

    /// Which episodes the last [`restore`](Self::restore) could not continue, because
    /// their environment does not repeat itself: they began anew.
    pub fn broken_off(&self) -> &[bool] {
        &self.broken_off
    }

    /// Asks the worker to leave and waits for it; dropping the bridge kills it instead.
    pub fn close(mut self) -> Result<(), BridgeError> {
        let timeout = self.options.call_timeout.min(FAREWELL);
        self.call_within("close", protocol::CLOSE, &[], timeout)?;
        self.worker.wait(FAREWELL);
        Ok(())
    }

    fn call(
        &mut self,
        during: &'static str,
        kind: u16,
        payload: &[u8],
    ) -> Result<Message, BridgeError> {
        self.call_within(during, kind, payload, self.options.call_timeout)
    }

    fn call_within(
        &mut self,
        during: &'static str,
        kind: u16,
        payload: &[u8],
        timeout: Duration,
    ) -> Result<Message, BridgeError> {
        if let Some(earlier) = &self.broken {
            return Err(BridgeError::Closed {
                earlier: earlier.clone(),
            });
        }
        let answer = handshake::answered(&mut self.worker, during, kind, payload, timeout);
        if let Err(
            e @ (BridgeError::WorkerDied { .. }
            | BridgeError::WorkerHung { .. }
            | BridgeError::Rubbish { .. }
            | BridgeError::VersionMismatch { .. }),
        ) = &answer
        {
            self.broken = Some(e.to_string());
        }
        answer
    }

    fn check_reply(
        &mut self,
        during: &'static str,
        reply: &Message,
        expected: usize,
    ) -> Result<(), BridgeError> {
        match reply.payload.len() {
            given if given == expected => Ok(()),
            given => Err(self.rubbish(
                during,
                format!("a reply of {given} bytes, expected {expected}"),
            )),
        }
    }

    fn rubbish(&mut self, during: &'static str, found: String) -> BridgeError {
        let e = self.worker.rubbish(during, found);
        self.broken = Some(e.to_string());
        e
    }
}
