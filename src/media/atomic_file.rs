//! Files that are either wholly there or as they were before.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::MediaError;

/// Whether a file can be written to `path`, before there is anything to write: a
/// temporary neighbour is made and removed, `path` itself is not touched.
///
/// # Errors
/// [`MediaError::Unwritable`].
pub fn check_writable(path: &Path) -> Result<(), MediaError> {
    let failed = |source| MediaError::Unwritable {
        path: path.to_owned(),
        source,
    };
    if path.is_dir() {
        return Err(failed(std::io::ErrorKind::IsADirectory.into()));
    }
    if is_special(path) {
        return Ok(());
    }
    let temporary = neighbour(path)?;
    (File::create(&temporary).and_then(|_| fs::remove_file(&temporary))).map_err(failed)
}

/// Whether it is a device or a pipe, which is written to: renaming would replace it.
fn is_special(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir())
}

/// `.NAME.PROCESS.tmp` in the folder of `path`. The process id keeps two processes that
/// draw the same run apart.
fn neighbour(path: &Path) -> Result<PathBuf, MediaError> {
    let name = path.file_name().ok_or_else(|| MediaError::Unwritable {
        path: path.to_owned(),
        source: std::io::Error::new(std::io::ErrorKind::InvalidInput, "the path names no file"),
    })?;
    let mut temporary = std::ffi::OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{}.tmp", std::process::id()));
    Ok(path.with_file_name(temporary))
}

/// Writes `bytes` to a temporary neighbour of `path`, syncs it and renames it
/// over `path`, so that a reader (or a kill) never meets half a picture. A device or a
/// pipe gets the bytes itself.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), MediaError> {
    write_parts(path, &[bytes])
}

/// [`write`] of several slices, one after the other.
pub(crate) fn write_parts(path: &Path, parts: &[&[u8]]) -> Result<(), MediaError> {
    let failed = |source| MediaError::Unwritable {
        path: path.to_owned(),
        source,
    };
    let write = |mut file: File| -> std::io::Result<File> {
        parts.iter().try_for_each(|part| file.write_all(part))?;
        Ok(file)
    };
    if is_special(path) {
        let file = OpenOptions::new().write(true).open(path);
        return file.and_then(write).map(drop).map_err(failed);
    }
    let temporary = neighbour(path)?;
    let written = File::create(&temporary)
        .and_then(write)
        .and_then(|file| file.sync_all())
        .and_then(|()| fs::rename(&temporary, path));
    written.map_err(|source| {
        // The write already failed; a leftover that cannot be removed changes nothing.
        let _ = fs::remove_file(&temporary);
        failed(source)
    })
}
