//! The folder of a sweep.
//!
//! ```text
//! grid.toml        the grid as it was given
//! commands.json    the commands that worked here, and of which version
//! sweep.lock       held while a process sweeps
//! runs/NAME/       a run directory of `foveate train`
//! runs/NAME.log    what train and eval printed
//! runs/NAME.json   how the run ended: its returns in every look, or why it failed
//! report/          what `foveate report` makes
//! ```
//!
//! How far a run has come is read from these files and nowhere else, so that whatever
//! ends a sweep, the next one goes on from what is there.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error::SweepError;
use super::grid::Grid;
use super::outcome::Outcome;
use super::plan::{Plan, PlannedRun};
use crate::config::Config;
use crate::run::lock::{self, Held};
use crate::run::{RunDirectory, RunError, atomic, directory};

const GRID: &str = "grid.toml";
const COMMANDS: &str = "commands.json";
const LOCK: &str = "sweep.lock";
const RUNS: &str = "runs";
/// A child ends by itself when its parent is gone, but finishes what it is at.
const ORPHAN: Duration = Duration::from_secs(10);
/// No line of `metrics.jsonl` is longer.
const LONGEST_LINE: u64 = 1 << 14;

/// A command that worked in the folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    pub line: String,
    /// Of the foveate that it ran.
    pub version: String,
}

/// How far a run has come.
#[derive(Debug, Clone, PartialEq)]
pub enum State {
    /// Nothing of it is there.
    New,
    /// Its training began.
    Begun,
    /// It is trained and not yet evaluated as the grid wants.
    Trained,
    /// It failed; what it left can be gone on from.
    Failed(Outcome),
    /// Trained and evaluated.
    Done(Outcome),
}

/// A sweep's folder, locked if it was opened for sweeping.
#[derive(Debug)]
pub struct SweepFolder {
    root: PathBuf,
    _lock: Option<File>,
}

impl SweepFolder {
    /// Opens `root` to sweep `plan` into it: new, empty, or the folder of the same grid
    /// or of one that has grown since. Writes `grid.toml` (`text`) and remembers the
    /// command `line`.
    ///
    /// # Errors
    /// [`SweepError::NotADirectory`], [`SweepError::NotEmpty`], [`SweepError::Locked`],
    /// [`SweepError::OtherGrid`], [`SweepError::Grid`] if the grid that is there cannot be
    /// read, [`SweepError::Run`].
    pub fn create(
        root: &Path,
        plan: &Plan,
        text: &str,
        line: &str,
    ) -> Result<SweepFolder, SweepError> {
        let root = root.to_owned();
        if root.exists() && !root.is_dir() {
            return Err(SweepError::NotADirectory { path: root });
        }
        atomic::create_folder(&root)?;
        // A grid alone is a file that somebody wrote.
        let is_sweep = root.join(RUNS).is_dir() || root.join(LOCK).exists();
        if !(is_sweep && root.join(GRID).is_file()) {
            // Before the lock, which would leave a file in a stranger's folder.
            let names = atomic::file_names(&root)?;
            let ours = |name: &String| name == LOCK || name.starts_with(".grid.toml");
            if !names.iter().all(ours) {
                return Err(SweepError::NotEmpty { path: root });
            }
        }
        let lock = match lock::hold(&root.join(LOCK))? {
            Held::Ours(file) => file,
            Held::Theirs(pid) => return Err(SweepError::Locked { path: root, pid }),
        };
        let folder = SweepFolder {
            root,
            _lock: Some(lock),
        };
        if folder.grid().is_file() {
            let (grid, _) = Grid::read(&folder.grid())?;
            let earlier = plan_of(&folder.grid(), grid)?;
            if let Some(difference) = plan.difference(&earlier) {
                let path = folder.root;
                return Err(SweepError::OtherGrid { path, difference });
            }
        }
        atomic::remove_leftovers(&folder.root)?;
        // Before all else: a folder with other files and without it is not taken for ours.
        atomic::write(&folder.grid(), text.as_bytes())?;
        atomic::create_folder(&folder.runs())?;
        atomic::remove_leftovers(&folder.runs())?;
        folder.remember(line)?;
        Ok(folder)
    }

    /// Opens `root` to read from it, also while another process sweeps into it.
    ///
    /// # Errors
    /// [`SweepError::NotASweep`].
    pub fn open(root: &Path) -> Result<SweepFolder, SweepError> {
        let folder = SweepFolder {
            root: root.to_owned(),
            _lock: None,
        };
        // A grid alone is a file that somebody wrote.
        match folder.grid().is_file() && folder.runs().is_dir() {
            true => Ok(folder),
            false => Err(SweepError::NotASweep { path: folder.root }),
        }
    }

    /// The plan that the folder holds, and its grid's text.
    ///
    /// # Errors
    /// [`SweepError::Read`], [`SweepError::Grid`].
    pub fn plan(&self) -> Result<(Plan, String), SweepError> {
        let (grid, text) = Grid::read(&self.grid())?;
        Ok((plan_of(&self.grid(), grid)?, text))
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `grid.toml`.
    pub fn grid(&self) -> PathBuf {
        self.root.join(GRID)
    }

    fn runs(&self) -> PathBuf {
        self.root.join(RUNS)
    }

    /// The run directory of a run.
    pub fn directory(&self, run: &PlannedRun) -> PathBuf {
        self.runs().join(&run.name)
    }

    /// The log of a run.
    pub fn log(&self, run: &PlannedRun) -> PathBuf {
        self.runs().join(format!("{}.log", run.name))
    }

    /// How a run ended.
    pub fn outcome(&self, run: &PlannedRun) -> PathBuf {
        self.runs().join(format!("{}.json", run.name))
    }

    /// How far `run` of `plan` has come.
    ///
    /// # Errors
    /// [`SweepError::Run`] for files that cannot be read.
    pub fn state(&self, plan: &Plan, run: &PlannedRun) -> Result<State, SweepError> {
        let outcome = Outcome::read(&self.outcome(run))?;
        match outcome {
            Some(outcome) if outcome.has_returns() && outcome.missing(plan, run).is_empty() => {
                return Ok(State::Done(outcome));
            }
            Some(outcome) if outcome.failure().is_some() => return Ok(State::Failed(outcome)),
            _ => {}
        }
        Ok(self.trained_so_far(run))
    }

    /// How far the training of a run has come, whatever became of it afterwards.
    pub fn trained_so_far(&self, run: &PlannedRun) -> State {
        match self.is_begun(run) {
            false => State::New,
            true if self.is_trained(run) => State::Trained,
            true => State::Begun,
        }
    }

    /// Waits for a process that still trains the run, because its own sweep was killed a
    /// moment ago.
    pub fn await_orphan(&self, run: &PlannedRun) {
        directory::await_end(&self.directory(run), ORPHAN);
    }

    /// The GIF files of a run, sorted.
    ///
    /// # Errors
    /// [`RunError::Io`].
    pub fn animations(&self, run: &PlannedRun) -> Result<Vec<PathBuf>, RunError> {
        let folder = self.directory(run).join("media");
        if !folder.is_dir() {
            return Ok(vec![]);
        }
        let names = atomic::file_names(&folder)?;
        let is_gif = |name: &String| name.to_lowercase().ends_with(".gif");
        Ok((names.into_iter().filter(is_gif))
            .map(|name| folder.join(name))
            .collect())
    }

    /// Whether `foveate train` has to resume the run.
    pub fn is_begun(&self, run: &PlannedRun) -> bool {
        let root = self.directory(run);
        // A folder without config.toml is as good as none: train creates it anew.
        root.exists() && RunDirectory::check_new(&root).is_err()
    }

    /// Whether the run directory holds the end of the training that `run` plans.
    pub fn is_trained(&self, run: &PlannedRun) -> bool {
        let Ok(directory) = RunDirectory::open(self.directory(run)) else {
            return false;
        };
        // What does not fit is left to `train --resume`, which says why.
        let fits = Config::read(&directory.config()).is_ok_and(|saved| {
            let mut planned = run.config.clone();
            if planned.encoder.weights().is_some() && !run.gives("image_size") {
                // Then the encoder has said it, when the run began.
                planned.image_size = saved.image_size;
            }
            saved.steps == planned.steps && planned.check_resume(&saved).is_ok()
        });
        fits && directory.summary().is_file()
    }

    /// Agent steps that the run's metrics tell of; 0 before the first.
    pub fn steps(&self, run: &PlannedRun) -> u64 {
        // Only for display: what cannot be read counts as nothing.
        last_step(&self.directory(run).join("metrics.jsonl")).unwrap_or(0)
    }

    /// The commands that worked here, oldest first.
    ///
    /// # Errors
    /// [`SweepError::Run`] if the file cannot be read or is damaged.
    pub fn commands(&self) -> Result<Vec<Command>, SweepError> {
        let path = self.root.join(COMMANDS);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(vec![]),
            Err(error) => return Err(RunError::io("read", &path, error).into()),
        };
        let read = serde_json::from_str(&text).map_err(|error| RunError::Damaged {
            path,
            why: format!("{error}; remove it, it only tells of earlier commands"),
        });
        Ok(read?)
    }

    fn remember(&self, line: &str) -> Result<(), SweepError> {
        let mut commands = self.commands()?;
        let command = Command {
            line: line.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        if commands.last() != Some(&command) {
            commands.push(command);
            // Of texts alone: this cannot fail.
            let json = serde_json::to_string_pretty(&commands).unwrap_or_default();
            atomic::write(&self.root.join(COMMANDS), format!("{json}\n").as_bytes())?;
        }
        Ok(())
    }
}

fn plan_of(path: &Path, grid: Grid) -> Result<Plan, SweepError> {
    Plan::of(grid).map_err(|error| error.of(path))
}

/// The `step` of the last whole line of a `metrics.jsonl`.
fn last_step(path: &Path) -> Option<u64> {
    let mut file = File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LONGEST_LINE)))
        .ok()?;
    let mut bytes = vec![];
    file.read_to_end(&mut bytes).ok()?;
    let end = bytes.iter().rposition(|b| *b == b'\n')?;
    let line = bytes[..end].rsplit(|b| *b == b'\n').next()?;
    let row: serde_json::Value = serde_json::from_slice(line).ok()?;
    row.get("step")?.as_u64()
}
