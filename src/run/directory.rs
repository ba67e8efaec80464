//! The layout of a run directory, and the lock that keeps it to one process.
//!
//! ```text
//! config.toml      the resolved configuration
//! metrics.jsonl    one JSON object per line
//! tensorboard/     event files
//! checkpoints/     step-NNNNNNNNNNNN.safetensors, the newest two
//! replay/          segment-NNNNNN.bin
//! weights.safetensors  what pretraining made, under the released names
//! encoder.safetensors  an agent's frozen encoder
//! tuning.json      kernel choices, reused on resume
//! media/           curves, panels, animations
//! profile.txt      time by operation, with --profile
//! profile.json     the same, dispatch by dispatch, as a trace
//! summary.json     the results, when the run has ended
//! run.lock         held while a process trains into the directory
//! ```

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::lock::{self, Held};
use super::{RunError, Trace, atomic};
use crate::files;

const LOCK: &str = "run.lock";
const CONFIG: &str = "config.toml";
const TUNING: &str = "tuning.json";
pub(crate) const ENCODER: &str = "encoder.safetensors";
pub(crate) const WEIGHTS: &str = "weights.safetensors";

/// A run directory, locked if it was opened for training.
#[derive(Debug)]
pub struct RunDirectory {
    root: PathBuf,
    _lock: Option<File>,
}

impl RunDirectory {
    /// Whether `root` is new or empty, so that [`RunDirectory::create`] would take it.
    /// Nothing is made.
    ///
    /// # Errors
    /// [`RunError::NotEmpty`], [`RunError::NotADirectory`], [`RunError::Io`].
    pub fn check_new(root: &Path) -> Result<(), RunError> {
        require_directory_or_nothing(root)?;
        match root.exists() {
            true => require_unused(root),
            false => Ok(()),
        }
    }

    /// Prepares `root`, new or empty, for a new run and locks it.
    ///
    /// A directory in which a process was killed before it wrote `config.toml`
    /// counts as empty.
    ///
    /// # Errors
    /// [`RunError::NotEmpty`], [`RunError::NotADirectory`], [`RunError::Locked`],
    /// [`RunError::Io`].
    pub fn create(root: impl Into<PathBuf>) -> Result<RunDirectory, RunError> {
        let root = root.into();
        // Before the lock, which would leave a file in a stranger's folder.
        RunDirectory::check_new(&root)?;
        atomic::create_folder(&root)?;
        let lock = lock(&root)?;
        // Again: another process may have begun between look and lock.
        require_unused(&root)?;
        // A dead process's choices of kernels are not this run's.
        atomic::remove(&root.join(TUNING))?;
        RunDirectory::lay_out(root, lock)
    }

    /// Opens `root` to continue its run and locks it.
    ///
    /// A process killed before it wrote `config.toml` leaves an empty run, which
    /// can be resumed too: [`RunDirectory::has_config`] is then false.
    ///
    /// # Errors
    /// [`RunError::NothingToResume`], [`RunError::NotADirectory`],
    /// [`RunError::Locked`], [`RunError::Io`].
    pub fn resume(root: impl Into<PathBuf>) -> Result<RunDirectory, RunError> {
        let root = root.into();
        require_directory_or_nothing(&root)?;
        if !root.join(CONFIG).is_file() && !root.join(LOCK).is_file() {
            return Err(RunError::NothingToResume { path: root });
        }
        let lock = lock(&root)?;
        if !root.join(CONFIG).is_file() {
            require_unused(&root)?;
        }
        RunDirectory::lay_out(root, lock)
    }

    /// Whether its run has measured anything yet.
    pub fn has_begun(&self) -> bool {
        std::fs::metadata(self.metrics()).is_ok_and(|file| file.len() > 0)
    }

    /// What is to be said of a run that has begun and has no checkpoint.
    pub fn begins_again(&self) -> String {
        format!(
            "there is no checkpoint in '{}': the run begins again",
            self.checkpoints().display()
        )
    }

    /// Opens `root` to read from it, while another process may train into it.
    ///
    /// # Errors
    /// [`RunError::NotARun`] if there is no `config.toml`.
    pub fn open(root: impl Into<PathBuf>) -> Result<RunDirectory, RunError> {
        let root = root.into();
        if root.join(CONFIG).is_file() {
            Ok(RunDirectory { root, _lock: None })
        } else {
            Err(RunError::NotARun { path: root })
        }
    }

    fn lay_out(root: PathBuf, lock: File) -> Result<RunDirectory, RunError> {
        let run = RunDirectory {
            root,
            _lock: Some(lock),
        };
        atomic::remove_leftovers(&run.root)?;
        for folder in [
            run.checkpoints(),
            run.replay(),
            run.tensorboard(),
            run.media(),
        ] {
            atomic::create_folder(&folder)?;
            atomic::remove_leftovers(&folder)?;
        }
        atomic::sync_parent(&run.config())?;
        Ok(run)
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `config.toml`.
    pub fn config(&self) -> PathBuf {
        self.root.join(CONFIG)
    }

    /// Whether `config.toml` has been written.
    pub fn has_config(&self) -> bool {
        self.config().is_file()
    }

    /// `metrics.jsonl`.
    pub fn metrics(&self) -> PathBuf {
        self.root.join("metrics.jsonl")
    }

    /// The folder of TensorBoard's event files.
    pub fn tensorboard(&self) -> PathBuf {
        self.root.join("tensorboard")
    }

    /// The folder of checkpoints.
    pub fn checkpoints(&self) -> PathBuf {
        self.root.join("checkpoints")
    }

    /// The folder of replay segments.
    pub fn replay(&self) -> PathBuf {
        self.root.join("replay")
    }

    /// `encoder.safetensors`: a frozen encoder's weights.
    pub fn encoder(&self) -> PathBuf {
        self.root.join(ENCODER)
    }

    /// `weights.safetensors`.
    pub fn weights(&self) -> PathBuf {
        self.root.join(WEIGHTS)
    }

    /// `tuning.json`.
    pub fn tuning(&self) -> PathBuf {
        self.root.join(TUNING)
    }

    /// The folder of pictures.
    pub fn media(&self) -> PathBuf {
        self.root.join("media")
    }

    /// `summary.json`.
    pub fn summary(&self) -> PathBuf {
        self.root.join("summary.json")
    }

    /// `profile.txt`.
    pub fn profile_table(&self) -> PathBuf {
        self.root.join("profile.txt")
    }

    /// `profile.json`.
    pub fn profile_trace(&self) -> PathBuf {
        self.root.join("profile.json")
    }

    /// Writes `config.toml`, whole or not at all. The first thing that a new run
    /// does: a directory with other files and without it is not taken for a run.
    pub fn write_config(&self, toml: &str) -> Result<(), RunError> {
        atomic::write(&self.config(), toml.as_bytes())
    }

    /// Writes `tuning.json`, whole or not at all.
    pub fn write_tuning(&self, json: &[u8]) -> Result<(), RunError> {
        atomic::write(&self.tuning(), json)
    }

    /// `tuning.json`, if it has been written.
    pub fn read_tuning(&self) -> Result<Option<Vec<u8>>, RunError> {
        match fs::read(self.tuning()) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(RunError::io("read", &self.tuning(), error)),
        }
    }

    /// Writes `profile.txt` and `profile.json`, each whole or not at all.
    pub fn write_profile(&self, table: &str, trace: &Trace) -> Result<(), RunError> {
        atomic::write(&self.profile_table(), format!("{table}\n").as_bytes())?;
        atomic::write(&self.profile_trace(), trace.to_json().as_bytes())
    }

    /// The steps that `summary.json` says the run has ended at; none if it has not ended, or
    /// not well enough to say.
    pub fn ended_at(&self) -> Option<u64> {
        let text = fs::read(self.summary()).ok()?;
        let summary: serde_json::Value = serde_json::from_slice(&text).ok()?;
        summary.get("steps")?.as_u64()
    }

    /// Writes `summary.json`, indented, whole or not at all.
    pub fn write_summary(&self, summary: &serde_json::Value) -> Result<(), RunError> {
        atomic::write(&self.summary(), format!("{summary:#}\n").as_bytes())
    }
}

fn require_directory_or_nothing(root: &Path) -> Result<(), RunError> {
    if root.exists() && !root.is_dir() {
        return Err(RunError::NotADirectory {
            path: root.to_owned(),
        });
    }
    Ok(())
}

/// Nothing but the empty skeleton of a run may be there.
fn require_unused(root: &Path) -> Result<(), RunError> {
    let occupied = |path: &Path| -> Result<bool, RunError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Ok(match name.as_ref() {
            LOCK => false,
            name if files::is_temporary(name, CONFIG) => false,
            // What `train --no-tune` writes first; alone it may be anybody's.
            name if name == TUNING || files::is_temporary(name, TUNING) => {
                !root.join(LOCK).is_file()
            }
            "checkpoints" | "replay" | "tensorboard" | "media" if path.is_dir() => {
                !atomic::file_names(path)?.is_empty()
            }
            _ => true,
        })
    };
    for entry in fs::read_dir(root).map_err(|e| RunError::io("list", root, e))? {
        let entry = entry.map_err(|e| RunError::io("list", root, e))?;
        if occupied(&entry.path())? {
            return Err(RunError::NotEmpty {
                path: root.to_owned(),
                holds_run: root.join(CONFIG).is_file(),
            });
        }
    }
    Ok(())
}

/// Waits until no process trains into `root`, `at_most` so long: one whose parent was
/// killed ends by itself, but not at once.
pub(crate) fn await_end(root: &Path, at_most: Duration) {
    let deadline = Instant::now() + at_most;
    while lock::is_held(&root.join(LOCK)) && Instant::now() < deadline {
        std::thread::sleep(lock::LOOK);
    }
}

fn lock(root: &Path) -> Result<File, RunError> {
    match lock::hold(&root.join(LOCK))? {
        Held::Ours(file) => Ok(file),
        Held::Theirs(pid) => Err(RunError::Locked {
            path: root.to_owned(),
            pid,
        }),
    }
}
