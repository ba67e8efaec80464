//! Real suites through a Python worker process.
//!
//! One [`Bridge`] is one group of environments in one long-lived worker: any
//! Python version, a crash of the suite is an error and not the end of the run,
//! and licences stay apart. The worker's source is part of this program. What
//! the two say to each other is in [`protocol`].
//!
//! Rendering is nearly all of the cost of real tasks and a worker uses one core;
//! to use more cores, open several bridges.

mod environment;
mod error;
mod options;
mod process;
pub mod protocol;
mod python;

use std::{collections::BTreeMap, time::Duration};

pub use environment::BridgeEnvironment;
pub use error::{BridgeError, Tail};
pub use options::BridgeOptions;
use process::{Launch, Worker};
use protocol::{ErrorReply, Message, OpenReply, OpenRequest};

use super::{EnvSpec, Transition};

/// How long a worker that was asked to leave may take.
const FAREWELL: Duration = Duration::from_secs(5);

/// A group of environments of a real suite.
///
/// An episode that ended (terminated or truncated) must be [`reset`](Self::reset)
/// before its next step; the frame that came with its end is the episode's last.
/// Dropping the bridge ends the worker.
#[derive(Debug)]
pub struct Bridge {
    worker: Worker,
    spec: EnvSpec,
    n: usize,
    versions: BTreeMap<String, String>,
    frames: Vec<u8>,
    request: Vec<u8>,
    call_timeout: Duration,
    /// The failure that ended the worker.
    broken: Option<String>,
}

impl Bridge {
    /// Starts a worker and builds the environments. None has begun an episode yet.
    pub fn open(options: BridgeOptions) -> Result<Bridge, BridgeError> {
        options.check()?;
        let python = python::choose(options.python.as_deref());
        let (launch, label) = match options.command.as_deref() {
            Some([program, args @ ..]) => {
                let launch = Launch {
                    program: program.clone(),
                    args: args.to_vec(),
                    preamble: Vec::new(),
                };
                (launch, program.to_string_lossy().into_owned())
            }
            Some([]) => {
                return Err(BridgeError::Option {
                    name: "command",
                    given: "empty".into(),
                    allowed: "a program and its arguments",
                });
            }
            None => (python.launch(), python.program.display().to_string()),
        };

        let mut failures: Vec<String> = Vec::new();
        let renderers = options::renderers();
        for (attempt, renderer) in renderers.iter().enumerate() {
            let mut worker = Worker::start(launch.clone()).map_err(|source| {
                if options.command.is_none() && source.kind() == std::io::ErrorKind::NotFound {
                    BridgeError::PythonNotFound {
                        tried: python.tried(),
                        named: python.named,
                    }
                } else {
                    BridgeError::Start {
                        command: label.clone(),
                        source,
                    }
                }
            })?;
            match open_with(&mut worker, &options, renderer.as_deref(), &label) {
                Ok(reply) => return Ok(Bridge::assemble(worker, reply, &options)),
                Err(BridgeError::NoRenderer { message, traceback }) => {
                    failures.push(message);
                    if attempt + 1 == renderers.len() {
                        return Err(BridgeError::NoRenderer {
                            message: failures.join("; "),
                            traceback,
                        });
                    }
                }
                Err(e) => return Err(e),
            }
        }
        Err(BridgeError::NoRenderer {
            message: failures.join("; "),
            traceback: Tail::default(),
        })
    }

    fn assemble(worker: Worker, reply: OpenReply, options: &BridgeOptions) -> Bridge {
        let spec = EnvSpec {
            id: reply.spec.id,
            image_size: reply.spec.image_size,
            action_dim: reply.spec.action_dim,
            episode_steps: reply.spec.episode_steps,
            action_repeat: reply.spec.action_repeat,
        };
        Bridge {
            frames: vec![0; options.n * frame_bytes(spec.image_size)],
            request: Vec::with_capacity(options.n * spec.action_dim * 4),
            worker,
            spec,
            n: options.n,
            versions: reply.versions,
            call_timeout: options.call_timeout,
            broken: None,
        }
    }

    /// What the environments are.
    pub fn spec(&self) -> &EnvSpec {
        &self.spec
    }

    /// How many environments the group has.
    pub fn n(&self) -> usize {
        self.n
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
        if index >= self.n {
            return Err(BridgeError::NoSuchIndex {
                given: index,
                n: self.n,
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
    /// `actions` is `[n][action_dim]`, finite; values outside [−1, 1] are clipped.
    /// `transitions` has n elements. The new pictures are in [`frames`](Self::frames).
    pub fn step(
        &mut self,
        actions: &[f32],
        transitions: &mut [Transition],
    ) -> Result<(), BridgeError> {
        let (n, dim) = (self.n, self.spec.action_dim);
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
        let mut request = std::mem::take(&mut self.request);
        request.clear();
        request.extend(actions.iter().flat_map(|a| a.to_le_bytes()));
        let reply = self.call("step", protocol::STEP, &request);
        self.request = request;
        let reply = reply?;
        let head = n * protocol::OUTCOME_BYTES;
        self.check_reply("step", &reply, head + self.frames.len())?;
        let (outcomes, frames) = reply.payload.split_at(head);
        for (transition, bytes) in transitions
            .iter_mut()
            .zip(outcomes.chunks_exact(protocol::OUTCOME_BYTES))
        {
            *transition = Transition {
                reward: f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]),
                terminated: bytes[4] != 0,
                truncated: bytes[5] != 0,
            };
        }
        self.frames.copy_from_slice(frames);
        Ok(())
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
    /// then the same to the bit. The seed of this bridge no longer matters.
    pub fn restore(&mut self, state: &[u8]) -> Result<(), BridgeError> {
        if state.len() > protocol::MAX_PAYLOAD as usize {
            return Err(BridgeError::State {
                reason: format!("it has {} bytes", state.len()),
            });
        }
        let reply = self.call("restore", protocol::RESTORE, state)?;
        self.check_reply("restore", &reply, self.frames.len())?;
        self.frames.copy_from_slice(&reply.payload);
        Ok(())
    }

    /// Asks the worker to leave and waits for it; dropping the bridge kills it instead.
    pub fn close(mut self) -> Result<(), BridgeError> {
        let timeout = self.call_timeout.min(FAREWELL);
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
        self.call_within(during, kind, payload, self.call_timeout)
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
        let answer = answered(&mut self.worker, during, kind, payload, timeout);
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

/// The handshake: sends what is wanted and checks that this is what was built.
fn open_with(
    worker: &mut Worker,
    options: &BridgeOptions,
    renderer: Option<&str>,
    label: &str,
) -> Result<OpenReply, BridgeError> {
    let request = OpenRequest {
        id: options.id.clone(),
        n: options.n,
        image_size: options.image_size,
        action_repeat: options.action_repeat,
        seed: options.seed,
        renderer: renderer.map(str::to_owned),
    };
    let request = serde_json::to_vec(&request).unwrap_or_default();
    let reply = answered(
        worker,
        "open",
        protocol::OPEN,
        &request,
        options.open_timeout,
    )
    .map_err(|e| match e {
        BridgeError::ModuleMissing {
            module, message, ..
        } => BridgeError::ModuleMissing {
            module,
            message,
            python: label.to_owned(),
        },
        BridgeError::UnknownEnvironment { nearest, known, .. } => BridgeError::UnknownEnvironment {
            given: options.id.clone(),
            nearest,
            known,
        },
        e => e,
    })?;
    let reply: OpenReply = serde_json::from_slice(&reply.payload)
        .map_err(|e| worker.rubbish("open", format!("a specification that is none: {e}")))?;
    let spec = &reply.spec;
    let as_asked = spec.id == options.id
        && spec.n == options.n
        && spec.image_size == options.image_size
        && options
            .action_repeat
            .is_none_or(|asked| asked == spec.action_repeat)
        && (1..=protocol::MAX_PAYLOAD as usize / 4 / spec.n).contains(&spec.action_dim)
        && spec.action_repeat > 0
        && spec.episode_steps > 0;
    if !as_asked {
        let found = format!("it built {spec:?}, which is not what was asked for");
        return Err(worker.rubbish("open", found));
    }
    Ok(reply)
}

/// One request and its reply, with an error reply turned into a typed error.
fn answered(
    worker: &mut Worker,
    during: &'static str,
    kind: u16,
    payload: &[u8],
    timeout: Duration,
) -> Result<Message, BridgeError> {
    let reply = worker.call(during, kind, payload, timeout)?;
    if reply.kind == kind | protocol::REPLY {
        return Ok(reply);
    }
    if reply.kind != protocol::ERROR {
        let found = format!(
            "a message of kind {}, expected {}",
            reply.kind,
            kind | protocol::REPLY
        );
        return Err(worker.rubbish(during, found));
    }
    let error: ErrorReply = match serde_json::from_slice(&reply.payload) {
        Ok(error) => error,
        Err(e) => return Err(worker.rubbish(during, format!("an error that is none: {e}"))),
    };
    let traceback = Tail(error.traceback.unwrap_or_default());
    Err(match error.kind.as_str() {
        "module_missing" => BridgeError::ModuleMissing {
            module: error.module.unwrap_or_else(|| "?".into()),
            python: String::new(),
            message: error.message,
        },
        "renderer" => BridgeError::NoRenderer {
            message: error.message,
            traceback,
        },
        "unknown_environment" => BridgeError::UnknownEnvironment {
            given: String::new(),
            nearest: error.nearest,
            known: error.known.unwrap_or_default(),
        },
        "state" => BridgeError::State {
            reason: error.message,
        },
        "version" => BridgeError::VersionMismatch {
            ours: protocol::VERSION,
            theirs: error.message,
        },
        _ => BridgeError::WorkerRaised {
            during,
            message: error.message,
            traceback,
        },
    })
}

fn frame_bytes(image_size: usize) -> usize {
    3 * image_size * image_size
}

fn check_length(
    what: &'static str,
    given: usize,
    expected: usize,
    shape: impl FnOnce() -> String,
) -> Result<(), BridgeError> {
    if given == expected {
        return Ok(());
    }
    Err(BridgeError::WrongLength {
        what,
        given,
        expected,
        shape: shape(),
    })
}
