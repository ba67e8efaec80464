//! A file that is held while a process works in a folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use super::RunError;

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
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(|e| RunError::io("open", path, e))?;
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
