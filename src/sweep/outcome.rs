//! What came of a run, as it stands beside its directory.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::plan::{Plan, PlannedRun};
use crate::config::AgentKind;
use crate::envs::native::Mode;
use crate::run::{RunError, atomic};

/// The file `NAME.json`: a run that came to its end, or failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    pub run: String,
    pub agent: String,
    pub task: String,
    pub seed: u64,
    /// Of the foveate that wrote it.
    pub version: String,
    #[serde(flatten)]
    pub end: End,
    /// Why a later attempt to evaluate it further failed; what was there before is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_since: Option<Failure>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "lowercase")]
pub enum End {
    Done {
        /// Control steps per agent step, which published returns depend on.
        action_repeat: usize,
        /// What `foveate eval --json` printed.
        evaluation: Value,
    },
    Failed(Failure),
}

/// Why a run did not come to its end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// What it was doing.
    pub stage: String,
    /// How that ended, e.g. `exit status: 1`.
    pub ended: String,
    /// The last lines of its log.
    pub log: Vec<String>,
}

impl Outcome {
    /// The outcome of `run`, by this program.
    pub fn new(run: &PlannedRun, end: End) -> Outcome {
        Outcome {
            run: run.name.clone(),
            agent: run.agent.clone(),
            task: run.task.clone(),
            seed: run.seed,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            end,
            failed_since: None,
        }
    }

    /// The outcome in the file at `path`; none if there is no such file.
    ///
    /// # Errors
    /// [`RunError::Io`]; [`RunError::Damaged`] for a file that holds something else.
    pub fn read(path: &Path) -> Result<Option<Outcome>, RunError> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(RunError::io("read", path, error)),
        };
        match serde_json::from_str(&text) {
            Ok(outcome) => Ok(Some(outcome)),
            Err(error) => Err(RunError::Damaged {
                path: path.to_owned(),
                why: format!("{error}; remove it, and the run is evaluated again"),
            }),
        }
    }

    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// [`RunError::DiskFull`], [`RunError::Io`].
    pub fn write(&self, path: &Path) -> Result<(), RunError> {
        // Of texts, numbers and JSON: this cannot fail.
        let json = serde_json::to_string_pretty(self).unwrap_or_default();
        atomic::write(path, format!("{json}\n").as_bytes())
    }

    /// The looks of the plan that `run` has not been evaluated in, or not as it wants: in
    /// so many episodes, and PAD while it adapts itself, as it is published.
    pub fn missing(&self, plan: &Plan, run: &PlannedRun) -> Vec<Mode> {
        let adapts = self.evaluation().and_then(|e| e.get("adapts")?.as_bool());
        if run.config.agent == AgentKind::Pad && adapts != Some(true) {
            return plan.grid.looks.clone();
        }
        let episodes = plan.episodes(run);
        let lacks = |look: &Mode| self.episodes(*look) != Some(episodes);
        plan.grid.looks.iter().copied().filter(lacks).collect()
    }

    /// Episodes that it was evaluated in, in a look.
    pub fn episodes(&self, look: Mode) -> Option<usize> {
        let episodes = self.mode(look)?.get("episodes")?.as_u64()?;
        usize::try_from(episodes).ok()
    }

    /// The share of episodes in a look in which the task was done; none where the task
    /// does not say.
    pub fn success_rate(&self, look: Mode) -> Option<f64> {
        self.mode(look)?.get("success_rate")?.as_f64()
    }

    /// Whether there are returns in it.
    pub fn has_returns(&self) -> bool {
        self.evaluation().is_some()
    }

    /// `evaluation` with what this outcome has of other looks.
    pub(super) fn merged_into(&self, mut evaluation: Value) -> Value {
        let ours = self.evaluation().and_then(|e| e.get("modes")?.as_object());
        let theirs = evaluation.get_mut("modes").and_then(Value::as_object_mut);
        if let (Some(ours), Some(theirs)) = (ours, theirs) {
            for (look, value) in ours {
                theirs.entry(look).or_insert_with(|| value.clone());
            }
        }
        evaluation
    }

    /// Mean return in a look; none if there is none, or none that is a number.
    pub fn mean(&self, look: Mode) -> Option<f64> {
        let mean = self.mode(look)?.get("mean")?.as_f64()?;
        mean.is_finite().then_some(mean)
    }

    /// Why it failed, if it did, at the last attempt.
    pub fn failure(&self) -> Option<&Failure> {
        match &self.end {
            End::Done { .. } => self.failed_since.as_ref(),
            End::Failed(failure) => Some(failure),
        }
    }

    /// Agent steps that it was trained for.
    pub fn step(&self) -> Option<u64> {
        self.evaluation()?.get("step")?.as_u64()
    }

    /// The adapter that evaluated it.
    pub fn adapter(&self) -> Option<&str> {
        self.evaluation()?.get("adapter")?.as_str()
    }

    /// What `foveate eval --json` printed.
    pub(super) fn evaluation(&self) -> Option<&Value> {
        match &self.end {
            End::Done { evaluation, .. } => Some(evaluation),
            End::Failed(_) => None,
        }
    }

    fn mode(&self, look: Mode) -> Option<&Value> {
        self.evaluation()?.get("modes")?.get(look.name())
    }
}
