//! Files that are either wholly there or as they were before.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use super::MediaError;

/// Writes `bytes` to a temporary neighbour of `path`, syncs it and renames it
/// over `path`, so that a reader (or a kill) never meets half a picture.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), MediaError> {
    let failed = |source| MediaError::Unwritable {
        path: path.to_owned(),
        source,
    };
    let name = path.file_name().ok_or_else(|| {
        failed(std::io::Error::new(
            std::io::ErrorKind::InvalidInput,
            "the path names no file",
        ))
    })?;
    // The process id keeps two processes that draw the same run apart.
    let mut temporary = std::ffi::OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(temporary);

    let written = File::create(&temporary)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&temporary, path));
    written.map_err(|source| {
        // The write already failed; a leftover that cannot be removed changes nothing.
        let _ = fs::remove_file(&temporary);
        failed(source)
    })
}
