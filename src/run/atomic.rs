//! Files that are there whole or not at all.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::RunError;

const TEMPORARY: &str = ".tmp";

/// A file being written beside its final place. [`AtomicFile::commit`] syncs it,
/// renames it there and syncs the folder; dropped before that, it is removed.
#[derive(Debug)]
pub(crate) struct AtomicFile {
    path: PathBuf,
    temporary: PathBuf,
    writer: Option<BufWriter<File>>,
}

impl AtomicFile {
    pub(crate) fn create(path: &Path) -> Result<AtomicFile, RunError> {
        let mut name = std::ffi::OsString::from(".");
        name.push(path.file_name().unwrap_or_default());
        name.push(TEMPORARY);
        let temporary = path.with_file_name(name);
        let file = File::create(&temporary).map_err(|e| RunError::io("create", &temporary, e))?;
        Ok(AtomicFile {
            path: path.to_owned(),
            temporary,
            writer: Some(BufWriter::with_capacity(1 << 20, file)),
        })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), RunError> {
        match &mut self.writer {
            Some(writer) => writer
                .write_all(bytes)
                .map_err(|e| RunError::io("write", &self.path, e)),
            None => Ok(()),
        }
    }

    pub(crate) fn commit(mut self) -> Result<(), RunError> {
        if let Some(writer) = self.writer.take() {
            let synced = finish(writer).and_then(|()| fs::rename(&self.temporary, &self.path));
            if let Err(error) = synced {
                let _ = fs::remove_file(&self.temporary);
                return Err(RunError::io("write", &self.path, error));
            }
        }
        sync_parent(&self.path)
    }
}

fn finish(writer: BufWriter<File>) -> std::io::Result<()> {
    match writer.into_inner() {
        Ok(file) => file.sync_all(),
        Err(error) => {
            let (error, unwritten) = error.into_parts();
            // Taken apart, or dropping it would try to write once more.
            let _ = unwritten.into_parts();
            Err(error)
        }
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        if let Some(writer) = self.writer.take() {
            let _ = writer.into_parts();
            // Nothing more can be done here; the next start removes leftovers.
            let _ = fs::remove_file(&self.temporary);
        }
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

/// Removes the temporary files that a killed process left in `folder`.
pub(crate) fn remove_leftovers(folder: &Path) -> Result<(), RunError> {
    for name in file_names(folder)? {
        if name.starts_with('.') && name.ends_with(TEMPORARY) {
            remove(&folder.join(name))?;
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
    fs::create_dir_all(folder).map_err(|e| RunError::io("create", folder, e))
}
