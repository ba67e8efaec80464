//! What came of a run, as it stands beside its directory.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::plan::PlannedRun;
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

    /// Whether the run ended well and was evaluated in all of `looks`, in so many
    /// episodes of each.
    pub fn covers(&self, looks: &[Mode], episodes: usize) -> bool {
        looks.iter().all(|look| {
            self.mode(*look)
                .and_then(|mode| mode.get("episodes")?.as_u64())
                == Some(episodes as u64)
        })
    }

    /// Mean return in a look; none if there is none, or none that is a number.
    pub fn mean(&self, look: Mode) -> Option<f64> {
        let mean = self.mode(look)?.get("mean")?.as_f64()?;
        mean.is_finite().then_some(mean)
    }

    /// Why it failed, if it did.
    pub fn failure(&self) -> Option<&Failure> {
        match &self.end {
            End::Done { .. } => None,
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

    fn evaluation(&self) -> Option<&Value> {
        match &self.end {
            End::Done { evaluation, .. } => Some(evaluation),
            End::Failed(_) => None,
        }
    }

    fn mode(&self, look: Mode) -> Option<&Value> {
        self.evaluation()?.get("modes")?.get(look.name())
    }
}
