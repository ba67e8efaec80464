//! Files that are there whole or not at all: written beside their place, then renamed.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

const TEMPORARY: &str = ".tmp";

/// `.NAME.PROCESS.tmp` in the folder of `path`. The process id keeps two processes that
/// write the same file apart: the last to be renamed stays, and it is whole.
pub(crate) fn temporary(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}{TEMPORARY}", std::process::id()));
    path.with_file_name(name)
}

/// Whether a file of this name is a temporary one: of `of` if that is not empty.
pub(crate) fn is_temporary(name: &str, of: &str) -> bool {
    let inner = name
        .strip_prefix('.')
        .and_then(|n| n.strip_suffix(TEMPORARY));
    inner.is_some_and(|n| match n.strip_prefix(of) {
        Some(rest) => of.is_empty() || rest.is_empty() || rest.starts_with('.'),
        None => false,
    })
}

/// What errors of files say of a folder that could not be made.
pub(crate) const MAKE_FOLDER: &str = "make the folder";

/// Whether a folder could not be made because of its path: see [`is_misplaced`].
pub(crate) fn is_misplaced_folder(action: &str, error: &io::Error) -> bool {
    action == MAKE_FOLDER && is_misplaced(error)
}

/// Whether it is the path that is at fault: something else is in its place or on its way, or
/// its folder is not there.
pub(crate) fn is_misplaced(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound
            | io::ErrorKind::AlreadyExists
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::IsADirectory
    )
}

/// A file being written beside its final place. [`WholeFile::commit`] syncs it and renames
/// it there; dropped before that, it is removed.
#[derive(Debug)]
pub(crate) struct WholeFile {
    path: PathBuf,
    temporary: PathBuf,
    writer: Option<BufWriter<File>>,
}

impl WholeFile {
    pub(crate) fn create(path: &Path) -> io::Result<WholeFile> {
        let temporary = temporary(path);
        let file = File::create(&temporary)?;
        Ok(WholeFile {
            path: path.to_owned(),
            temporary,
            writer: Some(BufWriter::with_capacity(1 << 20, file)),
        })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.writer {
            Some(writer) => writer.write_all(bytes),
            None => Ok(()),
        }
    }

    pub(crate) fn commit(mut self) -> io::Result<()> {
        let Some(writer) = self.writer.take() else {
            return Ok(());
        };
        let done = finish(writer).and_then(|()| fs::rename(&self.temporary, &self.path));
        if done.is_err() {
            // The write already failed; a leftover that cannot be removed changes nothing.
            let _ = fs::remove_file(&self.temporary);
        }
        done
    }
}

fn finish(writer: BufWriter<File>) -> io::Result<()> {
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

impl Drop for WholeFile {
    fn drop(&mut self) {
        if let Some(writer) = self.writer.take() {
            let _ = writer.into_parts();
            // Nothing more can be done here; the next start removes leftovers.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_process_writes_into_a_file_of_its_own() {
        let path = Path::new("cache/tuning.json");
        let name = temporary(path);
        let name = name.file_name().unwrap().to_str().unwrap();
        assert!(name.contains(&std::process::id().to_string()), "{name}");
        for (name, of, is) in [
            (name, "", true),
            (name, "tuning.json", true),
            // As it was before there was a number in it.
            (".tuning.json.tmp", "tuning.json", true),
            (name, "config.toml", false),
            (".tuning.jsonl.7.tmp", "tuning.json", false),
            ("tuning.json", "tuning.json", false),
        ] {
            assert_eq!(is_temporary(name, of), is, "{name}, {of}");
        }
    }

    #[test]
    fn what_is_not_committed_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "before").unwrap();
        let mut file = WholeFile::create(&path).unwrap();
        file.write(b"half").unwrap();
        drop(file);
        assert_eq!(fs::read(&path).unwrap(), b"before");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
