//! A file that is held while a process works in a folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use super::RunError;

/// Between two looks at a lock that somebody else has.
pub(super) const LOOK: Duration = Duration::from_millis(50);

/// What came of trying to hold a lock.
pub(crate) enum Held {
    /// It is ours until the file is dropped; the operating system frees it when the
    /// process ends, however it ends, so that a dead process never bars the way.
    Ours(File),
    /// Another process has it; its number, if it could be read.
    Theirs(Option<u32>),
}

/// Makes the file at `path` if it is not there, locks it and writes this process's
/// number into it.
pub(crate) fn hold(path: &Path) -> Result<Held, RunError> {
    let mut file = open(path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            // The holder's number is a courtesy; without it the message is shorter.
            let mut text = String::new();
            let _ = file.read_to_string(&mut text);
            return Ok(Held::Theirs(text.trim().parse().ok()));
        }
        Err(TryLockError::Error(error)) => return Err(RunError::io("lock", path, error)),
    }
    file.set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        .map_err(|e| RunError::io("write", path, e))?;
    Ok(Held::Ours(file))
}

/// Whether another process holds the file at `path`. What cannot be opened is not held.
pub(crate) fn is_held(path: &Path) -> bool {
    let tried = File::open(path).map(|file| file.try_lock());
    matches!(tried, Ok(Err(TryLockError::WouldBlock)))
}

/// Holds the file at `path` as soon as nobody else does, for a moment that is short for
/// everybody.
pub(crate) fn wait_for(path: &Path) -> Result<File, RunError> {
    let file = open(path)?;
    match file.lock() {
        Ok(()) => Ok(file),
        Err(error) => Err(RunError::io("lock", path, error)),
    }
}

/// The same if it is free within `at_most`; `None` if it is not, or cannot be had.
pub(crate) fn wait_at_most(path: &Path, at_most: Duration) -> Option<File> {
    let file = open(path).ok()?;
    let deadline = Instant::now() + at_most;
    loop {
        match file.try_lock() {
            Ok(()) => return Some(file),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                std::thread::sleep(LOOK);
            }
            Err(_) => return None,
        }
    }
}

fn open(path: &Path) -> Result<File, RunError> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(|e| RunError::io("open", path, e))
}
