//! What can be wrong with a grid, and with the folder that its runs go to.

use std::path::{Path, PathBuf};

use super::grid::KEYS;
use crate::config::ConfigError;
use crate::envs::native::WorldError;
use crate::run::RunError;

/// What is wrong with a grid. All of it is the user's to mend.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GridError {
    /// Not TOML.
    #[error("it is not TOML: {0}")]
    Syntax(String),
    /// A key that grids do not have.
    #[error(
        "unknown key '{key}'{}; a grid has {}",
        nearest.as_ref().map(|n| format!(" (did you mean '{n}'?)")).unwrap_or_default(),
        KEYS.join(", ")
    )]
    UnknownKey {
        key: String,
        nearest: Option<String>,
    },
    /// An axis that every grid needs.
    #[error("there is no '{axis}': write {axis} = {example}")]
    Missing {
        axis: &'static str,
        example: &'static str,
    },
    /// An axis without a value.
    #[error("'{axis}' is empty: give it one value or more")]
    Empty { axis: String },
    /// A value of another type.
    #[error("'{key}' is {given}, but must be {expected}")]
    WrongType {
        key: String,
        given: String,
        expected: &'static str,
    },
    /// A value that an axis has twice: two runs would be the same.
    #[error("'{axis}' has {value} twice: every value makes runs of its own, so give it once")]
    Duplicate { axis: String, value: String },
    /// An option of runs that is an axis of every grid.
    #[error("'{key}' in [{section}] is an axis of its own: give its values as {axis} = […]")]
    Reserved {
        section: &'static str,
        key: String,
        axis: &'static str,
    },
    /// An option that is to vary and to be common to all.
    #[error(
        "'{key}' is in [axes] and in [set]: it either varies or is the same in all runs, so leave one out"
    )]
    Both { key: String },
    /// An agent, or an option of runs, that cannot be.
    #[error(transparent)]
    Option(#[from] ConfigError),
    /// Options that pass one by one, but not together in this run.
    #[error("run '{run}': {source}")]
    Run {
        run: String,
        source: Box<ConfigError>,
    },
    /// A look that there is not.
    #[error(transparent)]
    Look(#[from] WorldError),
    /// Two runs whose folders would have one name.
    #[error(
        "two runs would share the folder '{folder}': {first}, and {second}. Folders are named by values with letters, digits, '.' and '_'; give values that differ in those"
    )]
    SameFolder {
        folder: String,
        first: String,
        second: String,
    },
    /// More runs than anybody wants.
    #[error("it has {count} runs; {most} are the most: divide it into several grids")]
    TooMany { count: String, most: usize },
}

impl GridError {
    /// What is wrong with the grid at `path`.
    pub fn of(self, path: &Path) -> SweepError {
        SweepError::Grid {
            path: path.to_owned(),
            source: Box::new(self),
        }
    }
}

/// Why a sweep cannot begin, or its folder cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SweepError {
    /// The grid cannot be read.
    #[error("cannot read the grid '{}': {source}", path.display())]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    /// The grid is wrong.
    #[error("grid '{}': {source}", path.display())]
    Grid {
        path: PathBuf,
        source: Box<GridError>,
    },
    /// A world that does not exist or cannot be opened.
    #[error("grid task '{task}': {source}")]
    Task {
        task: String,
        source: Box<crate::Error>,
    },
    /// The folder has runs of a grid that this one does not continue.
    #[error(
        "'{}' holds the runs of another grid ({difference}): a grid may grow by agents, tasks, seeds, looks and values, but what is there must stay; name another folder with --out",
        path.display()
    )]
    OtherGrid { path: PathBuf, difference: String },
    /// Files that are not a sweep's.
    #[error("'{}' is not empty and holds no sweep (no grid.toml with runs beside it): name a new or an empty folder with --out", path.display())]
    NotEmpty { path: PathBuf },
    /// A path that is no folder.
    #[error("'{}' is not a directory: name one with --out", path.display())]
    NotADirectory { path: PathBuf },
    /// A folder to report on that no sweep wrote.
    #[error("'{}' holds no sweep (no grid.toml and runs/): name a folder that foveate sweep wrote", path.display())]
    NotASweep { path: PathBuf },
    /// Another process sweeps into the folder.
    #[error("'{}' is in use by {}: wait for it to end, or name another folder with --out", path.display(),
        pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}")))]
    Locked { path: PathBuf, pid: Option<u32> },
    /// Runs that did not come to their end.
    #[error(
        "{failed} of {runs} runs failed: mend what their logs say and give the same command again; it goes on where each of them stopped"
    )]
    Failed { failed: usize, runs: usize },
    #[error(transparent)]
    Run(#[from] RunError),
}

impl SweepError {
    /// Whether the user can mend it by asking differently.
    pub fn is_user_mistake(&self) -> bool {
        match self {
            SweepError::Read { .. }
            | SweepError::Grid { .. }
            | SweepError::OtherGrid { .. }
            | SweepError::NotEmpty { .. }
            | SweepError::NotADirectory { .. }
            | SweepError::NotASweep { .. }
            | SweepError::Locked { .. } => true,
            SweepError::Failed { .. } => false,
            SweepError::Task { source, .. } => source.is_user_mistake(),
            SweepError::Run(e) => e.is_user_mistake(),
        }
    }
}
