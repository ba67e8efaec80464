//! Files that are either wholly there or as they were before.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;

use super::MediaError;
use crate::files::{WholeFile, temporary};

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
    require_name(path)?;
    let temporary = temporary(path);
    (File::create(&temporary).and_then(|_| fs::remove_file(&temporary))).map_err(failed)
}

/// Whether it is a device or a pipe, which is written to: renaming would replace it.
fn is_special(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir())
}

/// An error unless the path names a file.
fn require_name(path: &Path) -> Result<(), MediaError> {
    match path.file_name() {
        Some(_) => Ok(()),
        None => Err(MediaError::Unwritable {
            path: path.to_owned(),
            source: std::io::Error::new(std::io::ErrorKind::InvalidInput, "the path names no file"),
        }),
    }
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
    if is_special(path) {
        let file = OpenOptions::new().write(true).open(path);
        let write = |mut file: File| parts.iter().try_for_each(|part| file.write_all(part));
        return file.and_then(write).map_err(failed);
    }
    if path.is_dir() {
        return Err(failed(std::io::ErrorKind::IsADirectory.into()));
    }
    require_name(path)?;
    let write = |mut file: WholeFile| {
        parts.iter().try_for_each(|part| file.write(part))?;
        file.commit()
    };
    WholeFile::create(path).and_then(write).map_err(failed)
}
