//! What can go wrong between foveate and a worker.

use std::{fmt, time::Duration};

/// A failure of the bridge, naming what was given and what would be right.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BridgeError {
    /// No Python interpreter could be started.
    #[error(
        "no Python found for real environments (tried {tried}); run `make real-envs`, or name one with --python or FOVEATE_PYTHON"
    )]
    PythonNotFound {
        /// What was tried, in order.
        tried: String,
        /// Whether the user named the interpreter.
        named: bool,
    },
    /// The interpreter lacks a package.
    #[error(
        "{python} cannot import {}: {message}; run `make real-envs` for a Python environment that has it, or name another with --python or FOVEATE_PYTHON",
        if module.is_empty() { "what the suite needs".to_owned() } else { format!("'{module}'") }
    )]
    ModuleMissing {
        /// Module that could not be imported; empty where Python does not say which.
        module: String,
        /// Interpreter that was used.
        python: String,
        /// What Python said.
        message: String,
    },
    /// The worker's program could not be started.
    #[error("cannot start the worker {command}: {source}")]
    Start {
        /// Program and arguments.
        command: String,
        /// Why.
        source: std::io::Error,
    },
    /// The worker speaks another version of the protocol.
    #[error(
        "the worker speaks protocol {theirs}, this foveate speaks {ours}; use a worker of the same release"
    )]
    VersionMismatch {
        /// Version of this build.
        ours: u16,
        /// What the worker said about its own.
        theirs: String,
    },
    /// The worker process ended.
    #[error("the worker died while foveate waited for '{during}' ({status}){stderr}")]
    WorkerDied {
        /// The call that was waiting.
        during: &'static str,
        /// Exit status, or that it is unknown.
        status: String,
        /// The end of what it wrote to stderr.
        stderr: Tail,
    },
    /// The worker did not answer in time; it has been killed.
    #[error("the worker did not answer '{during}' within {waited:?} and was ended{stderr}")]
    WorkerHung {
        /// The call that was waiting.
        during: &'static str,
        /// How long.
        waited: Duration,
        /// The end of what it wrote to stderr.
        stderr: Tail,
    },
    /// What came from the worker is not the protocol; it has been killed.
    #[error("the worker sent rubbish in answer to '{during}': {found}{stderr}")]
    Rubbish {
        /// The call that was waiting.
        during: &'static str,
        /// What came, and what should have come.
        found: String,
        /// The end of what it wrote to stderr.
        stderr: Tail,
    },
    /// An exception in the environment.
    #[error("the environment failed during '{during}': {message}{traceback}")]
    WorkerRaised {
        /// The call that failed.
        during: &'static str,
        /// Type and text of the exception.
        message: String,
        /// Python's traceback.
        traceback: Tail,
    },
    /// No way to draw pictures works on this machine.
    #[error(
        "the real environments cannot draw pictures here: {message}{traceback}\nrun `make real-envs`, which installs what headless rendering needs, or set MUJOCO_GL to a renderer that works"
    )]
    NoRenderer {
        /// What each renderer said.
        message: String,
        /// Traceback of the last.
        traceback: Tail,
    },
    /// The suite has no such task.
    #[error("unknown environment '{given}'{}; known: {known}", nearest.as_ref().map(|n| format!(" (did you mean '{n}'?)")).unwrap_or_default())]
    UnknownEnvironment {
        /// The id as it was given.
        given: String,
        /// The most similar id.
        nearest: Option<String>,
        /// All ids of the suite, or all suites.
        known: String,
    },
    /// An environment that foveate cannot show or act in.
    #[error("'{id}' cannot be used: {reason}")]
    Unsuitable {
        /// Its id.
        id: String,
        /// Why, and what would be right.
        reason: String,
    },
    /// A call that the worker refused; nothing has changed.
    #[error("the worker refused '{during}': {message}")]
    Misuse {
        /// The call.
        during: &'static str,
        /// Why.
        message: String,
    },
    /// A video that cannot be decoded.
    #[error("{reason}")]
    Video {
        /// Which, why, and what would be right.
        reason: String,
    },
    /// Workers died one after the other.
    #[error(
        "{deaths} workers died within {within} steps, which is more than is mended; the last time: {last}"
    )]
    RepeatedDeaths {
        /// Deaths within so many steps, the last included.
        deaths: usize,
        /// Agent steps of the group.
        within: u64,
        /// The last one.
        last: Box<BridgeError>,
    },
    /// Workers died one after the other, perhaps long after each other, and no episode
    /// came to its end meanwhile: going on would go on for ever.
    #[error(
        "{deaths} workers died one after the other before any episode came to its end, which is more than is mended; the last time: {last}"
    )]
    NoEpisodeEnds {
        /// Deaths since the last end of an episode, the last included.
        deaths: usize,
        /// The last one.
        last: Box<BridgeError>,
    },
    /// An option is out of range.
    #[error("option {name} is {given}, it must be {allowed}")]
    Option {
        /// Name of the option.
        name: &'static str,
        /// Its value.
        given: String,
        /// What would be right.
        allowed: &'static str,
    },
    /// A slice that was passed has the wrong length.
    #[error("{what} has {given} elements, expected {expected} ({shape})")]
    WrongLength {
        /// Which slice.
        what: &'static str,
        /// Its length.
        given: usize,
        /// The right length.
        expected: usize,
        /// Where the right length comes from.
        shape: String,
    },
    /// An action that is no number.
    #[error(
        "component {component} of the action of environment {environment} is {value}, actions must be finite and in [−1, 1]"
    )]
    ActionNotFinite {
        /// Which environment.
        environment: usize,
        /// Which component.
        component: usize,
        /// Its value.
        value: f32,
    },
    /// An action that is none of those to choose from.
    #[error(
        "the action of environment {environment} is {value}, it must be one of 0, 1, … {}", count - 1
    )]
    NoSuchAction {
        /// Which environment.
        environment: usize,
        /// The action.
        value: f32,
        /// How many actions there are.
        count: usize,
    },
    /// No environment has this index.
    #[error("environment {given} does not exist, there are {n} (0 to {})", n - 1)]
    NoSuchIndex {
        /// The index that was given.
        given: usize,
        /// How many there are.
        n: usize,
    },
    /// A saved state that does not belong here or is damaged.
    #[error("the saved environment state cannot be restored: {reason}")]
    State {
        /// Why not.
        reason: String,
    },
    /// An earlier failure ended the worker.
    #[error("the worker is gone since an earlier failure: {earlier}")]
    Closed {
        /// That failure.
        earlier: String,
    },
}

impl BridgeError {
    /// Whether the user can mend it by asking differently.
    pub fn is_user_mistake(&self) -> bool {
        match self {
            BridgeError::PythonNotFound { named, .. } => *named,
            BridgeError::UnknownEnvironment { .. }
            | BridgeError::Unsuitable { .. }
            | BridgeError::Video { .. }
            | BridgeError::Option { .. } => true,
            _ => false,
        }
    }

    /// Whether the worker, or what it knew of its episodes, is lost with this: a
    /// [`LastingBridge`](super::LastingBridge) replaces it.
    pub fn is_death(&self) -> bool {
        matches!(
            self,
            BridgeError::WorkerDied { .. }
                | BridgeError::WorkerHung { .. }
                | BridgeError::Rubbish { .. }
                | BridgeError::WorkerRaised { .. }
                | BridgeError::Closed { .. }
        )
    }

    /// The same of an environment and an interpreter, which a worker does not name.
    pub(super) fn of(self, id: &str, label: &str) -> BridgeError {
        match self {
            BridgeError::ModuleMissing {
                module, message, ..
            } => BridgeError::ModuleMissing {
                module,
                message,
                python: label.to_owned(),
            },
            BridgeError::UnknownEnvironment { nearest, known, .. } => {
                BridgeError::UnknownEnvironment {
                    given: id.to_owned(),
                    nearest,
                    known,
                }
            }
            BridgeError::Unsuitable { reason, .. } => BridgeError::Unsuitable {
                id: id.to_owned(),
                reason,
            },
            e => e,
        }
    }
}

/// Text from the worker that follows an error on lines of its own; prints
/// nothing when it is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tail(pub String);

impl fmt::Display for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.trim() {
            "" => Ok(()),
            text => write!(f, "; it said:\n{text}"),
        }
    }
}
