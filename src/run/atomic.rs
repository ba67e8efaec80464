//! Files that are there whole or not at all.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::RunError;
use crate::files::{self, WholeFile};

/// A temporary file that nobody has touched for so long belongs to a dead process.
const STALE: Duration = Duration::from_secs(3_600);

/// A [`WholeFile`] whose errors say what could not be done to which file, and whose new
/// name outlives a power cut.
#[derive(Debug)]
pub(crate) struct AtomicFile {
    path: PathBuf,
    file: WholeFile,
}

impl AtomicFile {
    pub(crate) fn create(path: &Path) -> Result<AtomicFile, RunError> {
        let file = WholeFile::create(path)
            .map_err(|e| RunError::io("create", &files::temporary(path), e))?;
        let path = path.to_owned();
        Ok(AtomicFile { path, file })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), RunError> {
        let written = self.file.write(bytes);
        written.map_err(|e| RunError::io("write", &self.path, e))
    }

    pub(crate) fn commit(self) -> Result<(), RunError> {
        let done = self.file.commit();
        done.map_err(|e| RunError::io("write", &self.path, e))?;
        sync_parent(&self.path)
    }
}

/// Writes `bytes` to `path`, whole or not at all.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), RunError> {
    let mut file = AtomicFile::create(path)?;
    file.write(bytes)?;
    file.commit()
}

/// Makes renames and removals in the folder of `path` durable.
pub(super) fn sync_parent(path: &Path) -> Result<(), RunError> {
    // Windows cannot open folders, and its renames need no such call.
    #[cfg(unix)]
    if let Some(folder) = path.parent() {
        let folder = if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            folder
        };
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|e| RunError::io("sync", folder, e))?;
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

/// Removes the temporary files that a killed process left in `folder`, which is locked: no
/// other process writes into it.
pub(crate) fn remove_leftovers(folder: &Path) -> Result<(), RunError> {
    for name in file_names(folder)? {
        if files::is_temporary(&name, "") {
            remove(&folder.join(name))?;
        }
    }
    Ok(())
}

/// The same of a folder that others may write into: those that are old.
pub(crate) fn remove_stale(folder: &Path) -> Result<(), RunError> {
    for name in file_names(folder)? {
        let path = folder.join(&name);
        let touched = fs::metadata(&path).and_then(|data| data.modified());
        let age = touched.ok().and_then(|at| at.elapsed().ok());
        if files::is_temporary(&name, "") && age.is_some_and(|age| age > STALE) {
            remove(&path)?;
        }
    }
    Ok(())
}

/// Removes a file; that it is gone already is no error.
pub(crate) fn remove(path: &Path) -> Result<(), RunError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(RunError::io("remove", path, error))
        }
        _ => Ok(()),
    }
}

/// The names of all entries of `folder`, sorted; those that are not Unicode are
/// not ours and are left out.
pub(crate) fn file_names(folder: &Path) -> Result<Vec<String>, RunError> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(|e| RunError::io("list", folder, e))? {
        let entry = entry.map_err(|e| RunError::io("list", folder, e))?;
        names.extend(entry.file_name().into_string());
    }
    names.sort();
    Ok(names)
}

/// Creates `folder` and those above it.
pub(crate) fn create_folder(folder: &Path) -> Result<(), RunError> {
    fs::create_dir_all(folder).map_err(|e| RunError::io(files::MAKE_FOLDER, folder, e))
}
