//! What can go wrong in a run directory.

use std::io;
use std::path::{Path, PathBuf};

use crate::files::is_misplaced_folder;

/// A run directory that cannot be used, read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// A new run was asked for where files already are.
    #[error("run directory '{}' is not empty: {}", path.display(), if *.holds_run {
        "continue its run with --resume, or name another directory with --run"
    } else {
        "name an empty or a new one with --run"
    })]
    NotEmpty {
        path: PathBuf,
        /// Whether what is there is a run.
        holds_run: bool,
    },
    /// The path of the run directory is something else.
    #[error("'{}' is not a directory: name a directory with --run", path.display())]
    NotADirectory { path: PathBuf },
    /// `--resume` without a run.
    #[error("'{}' holds no run to resume: start it without --resume", path.display())]
    NothingToResume { path: PathBuf },
    /// A run is to be read or continued where there is none.
    #[error("'{}' holds no run (no config.toml): name the directory of a run", path.display())]
    NotARun { path: PathBuf },
    /// Another process trains into the directory.
    #[error("run directory '{}' is in use by {}: wait for it to end, or name another with --run", path.display(),
        pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}")))]
    Locked { path: PathBuf, pid: Option<u32> },
    /// The operating system refused.
    #[error("cannot {action} '{}': {source}", path.display())]
    Io {
        /// A verb, e.g. "write".
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    /// No space left, or the quota is used up.
    #[error("the disk is full: cannot write '{}' ({source}); what was written before is intact: make room and try again", path.display())]
    DiskFull { path: PathBuf, source: io::Error },
    /// A file is not what was written: truncated, or bits have changed.
    #[error("'{}' is damaged: {why}", path.display())]
    Damaged { path: PathBuf, why: String },
    /// A file from another version of foveate.
    #[error("'{}' has format version {found}, this foveate reads {known}", path.display())]
    Version {
        path: PathBuf,
        found: u32,
        known: u32,
    },
    /// There are checkpoints, but none can be read.
    #[error("no checkpoint in '{}' can be used: {}", path.display(), join(.errors))]
    NoGoodCheckpoint {
        path: PathBuf,
        /// One per checkpoint, newest first.
        errors: Vec<RunError>,
    },
    /// The checkpoint holds other tensors than the configuration needs.
    #[error("checkpoint '{}' is of another architecture: {}{}", path.display(), differences.join("; "),
        if *.total > differences.len() { format!("; and {} more", *.total - differences.len()) } else { String::new() })]
    Architecture {
        path: PathBuf,
        /// The first differences, each with the tensor's name and shapes.
        differences: Vec<String>,
        /// How many there are in all.
        total: usize,
    },
    /// A tensor was asked for that the checkpoint does not hold in that form.
    #[error("checkpoint '{}' has no {expected} tensor '{name}'{}", path.display(),
        found.as_ref().map(|f| format!(" (it is {f})")).unwrap_or_default())]
    NoSuchTensor {
        path: PathBuf,
        name: String,
        expected: String,
        found: Option<String>,
    },
    /// Tensors that make no checkpoint: one name twice, or bytes that do not
    /// fill the shape.
    #[error("cannot store tensor '{name}': {why}")]
    BadTensor { name: String, why: String },
    /// A log is shorter than the checkpoint says.
    #[error("'{}' holds {found} records, but the checkpoint was written after {expected}: put the missing ones back, or start another run", path.display())]
    LogTooShort {
        path: PathBuf,
        found: u64,
        expected: u64,
    },
    /// A replay segment that the checkpoint needs is not there.
    #[error("replay segment '{}' is missing: the checkpoint needs it", path.display())]
    MissingSegment { path: PathBuf },
    /// A file in the way of a report that no report is.
    #[error("'{}' was not written by foveate report: name another folder with --out, or move it away", path.display())]
    Foreign { path: PathBuf },
    /// What is to be appended to the replay log does not continue it.
    #[error("the replay log cannot take this: {0}")]
    ReplayMisuse(String),
}

impl RunError {
    /// Whether the user can mend it by asking differently.
    pub fn is_user_mistake(&self) -> bool {
        match self {
            RunError::NotEmpty { .. }
            | RunError::NotADirectory { .. }
            | RunError::NothingToResume { .. }
            | RunError::NotARun { .. }
            | RunError::Locked { .. }
            | RunError::Foreign { .. }
            | RunError::Architecture { .. } => true,
            RunError::Io { action, source, .. } => is_misplaced_folder(action, source),
            _ => false,
        }
    }

    /// Sorts an error of the operating system: a full disk is its own kind.
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> RunError {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge
            | io::ErrorKind::WriteZero => RunError::DiskFull { path, source },
            _ => RunError::Io {
                action,
                path,
                source,
            },
        }
    }

    pub(super) fn damaged(path: &Path, why: impl Into<String>) -> RunError {
        RunError::Damaged {
            path: path.to_owned(),
            why: why.into(),
        }
    }
}

fn join(errors: &[RunError]) -> String {
    let texts: Vec<String> = errors.iter().map(RunError::to_string).collect();
    texts.join("; ")
}
