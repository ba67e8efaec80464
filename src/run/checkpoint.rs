//! Checkpoints: all that a run needs to continue with the same bits.
//!
//! A checkpoint is one safetensors file, `step-NNNNNNNNNNNN.safetensors`,
//! written beside its place, synced and renamed, so that it is there whole or
//! not at all. Two are kept: whatever happens to the newest, training goes on
//! from the one before.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::atomic::{self, AtomicFile};
use super::container::{self, ElementType, Entry, NamedTensor, TensorSpec};
use super::{ReplayPosition, RunError};

/// Version of what the metadata means; files of another are refused.
const VERSION: u32 = 1;
const KEPT: usize = 2;
const PREFIX: &str = "step-";
const SUFFIX: &str = ".safetensors";
const SET_ASIDE: &str = ".safetensors.unusable";
/// Differences named in an error.
const NAMED: usize = 5;
/// Headers are a few kilobytes; more is damage.
const LONGEST_HEADER: u64 = 100_000_000;

/// What a checkpoint says beside its tensors.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct CheckpointMeta {
    /// Agent steps taken.
    pub step: u64,
    /// The configuration that it belongs to ([`crate::config::Config::digest`]).
    pub config: String,
    /// Lines of `metrics.jsonl` ([`super::MetricsWriter::sync`]).
    pub metrics: u64,
    /// Records of the event file ([`super::TensorboardWriter::sync`]).
    pub tensorboard: u64,
    /// How much of the replay log it covers.
    pub replay: ReplayPosition,
    /// Whatever else: counters, names, texts. Integers and texts return as they
    /// were; floats that must keep every bit belong into a tensor.
    pub extra: serde_json::Map<String, serde_json::Value>,
}

#[derive(Serialize, Deserialize)]
struct Versioned<T> {
    version: u32,
    #[serde(flatten)]
    meta: T,
}

#[derive(Deserialize)]
struct Anything {}

/// A checkpoint that was read and verified, in memory.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    path: PathBuf,
    meta: CheckpointMeta,
    bytes: Vec<u8>,
    entries: BTreeMap<String, Entry>,
}

impl Checkpoint {
    /// Reads and verifies the file at `path`.
    ///
    /// # Errors
    /// [`RunError::Damaged`] if a bit or the end differs from what was written,
    /// [`RunError::Version`], [`RunError::Io`].
    pub fn load(path: &Path) -> Result<Checkpoint, RunError> {
        let bytes = fs::read(path).map_err(|e| RunError::io("read", path, e))?;
        let (text, entries) = container::read(path, &bytes)?;
        Ok(Checkpoint {
            path: path.to_owned(),
            meta: parse_meta(path, &text)?,
            bytes,
            entries,
        })
    }

    /// The file it was read from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it says beside its tensors.
    pub fn meta(&self) -> &CheckpointMeta {
        &self.meta
    }

    /// The names of its tensors, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// Element type and shape of tensor `name`.
    pub fn info(&self, name: &str) -> Option<(ElementType, &[usize])> {
        let entry = self.entries.get(name)?;
        Some((entry.element, &entry.shape))
    }

    /// The bytes of tensor `name`, row-major, little endian.
    ///
    /// # Errors
    /// [`RunError::NoSuchTensor`].
    pub fn bytes(&self, name: &str) -> Result<&[u8], RunError> {
        match self.entries.get(name) {
            Some(entry) => Ok(&self.bytes[entry.range.clone()]),
            None => Err(self.no_such(name, "stored")),
        }
    }

    /// The elements of tensor `name`, row-major.
    ///
    /// # Errors
    /// [`RunError::NoSuchTensor`], also if it is of another type.
    pub fn f32(&self, name: &str) -> Result<Vec<f32>, RunError> {
        self.elements(name, ElementType::F32)
    }

    /// The elements of tensor `name`, row-major.
    ///
    /// # Errors
    /// [`RunError::NoSuchTensor`], also if it is of another type.
    pub fn u32(&self, name: &str) -> Result<Vec<u32>, RunError> {
        self.elements(name, ElementType::U32)
    }

    fn elements<T: bytemuck::Pod>(
        &self,
        name: &str,
        element: ElementType,
    ) -> Result<Vec<T>, RunError> {
        match self.entries.get(name) {
            // Collected, not cast: the file's bytes need not be aligned.
            Some(entry) if entry.element == element => Ok(bytemuck::pod_collect_to_vec(
                &self.bytes[entry.range.clone()],
            )),
            _ => Err(self.no_such(name, &element.to_string())),
        }
    }

    fn no_such(&self, name: &str, expected: &str) -> RunError {
        RunError::NoSuchTensor {
            path: self.path.clone(),
            name: name.to_owned(),
            expected: expected.to_owned(),
            found: self.entries.get(name).map(Entry::to_string),
        }
    }

    /// Whether it holds exactly the tensors of `expected`.
    ///
    /// # Errors
    /// [`RunError::Architecture`] names the first that are missing, of another
    /// type or shape, or not expected.
    pub fn check(&self, expected: &[TensorSpec]) -> Result<(), RunError> {
        let mut differences = Vec::new();
        for spec in expected {
            let wanted = match &spec.shape {
                Some(shape) => format!("{} {shape:?}", spec.element),
                None => format!("{} of any shape", spec.element),
            };
            match self.entries.get(&spec.name) {
                None => differences.push(format!("'{}' ({wanted}) is missing", spec.name)),
                Some(entry)
                    if entry.element != spec.element
                        || spec.shape.as_ref().is_some_and(|s| *s != entry.shape) =>
                {
                    differences.push(format!("'{}' is {entry}, not {wanted}", spec.name));
                }
                Some(_) => {}
            }
        }
        let known: BTreeSet<&str> = expected.iter().map(|spec| spec.name.as_str()).collect();
        for (name, entry) in &self.entries {
            if !known.contains(name.as_str()) {
                differences.push(format!("'{name}' ({entry}) is not expected"));
            }
        }
        let total = differences.len();
        if total == 0 {
            return Ok(());
        }
        differences.truncate(NAMED);
        Err(RunError::Architecture {
            path: self.path.clone(),
            differences,
            total,
        })
    }
}

/// The folder of a run's checkpoints.
#[derive(Debug, Clone)]
pub struct CheckpointStore {
    folder: PathBuf,
}

/// The outcome of [`CheckpointStore::save`].
#[derive(Debug, Clone)]
pub struct Saved {
    /// The file written.
    pub path: PathBuf,
    /// The checkpoints that are kept, newest first: their
    /// [`CheckpointMeta::replay`] say what [`super::ReplayLog::prune`] must keep.
    pub kept: Vec<CheckpointMeta>,
}

/// The outcome of [`CheckpointStore::load_latest`].
#[derive(Debug)]
pub struct LoadedLatest {
    pub checkpoint: Checkpoint,
    /// Why newer checkpoints were not used, newest first; to be reported.
    pub skipped: Vec<RunError>,
}

impl CheckpointStore {
    /// The checkpoints in `folder`, which must exist.
    pub fn new(folder: impl Into<PathBuf>) -> CheckpointStore {
        CheckpointStore {
            folder: folder.into(),
        }
    }

    /// Writes a checkpoint and removes all but the two newest.
    ///
    /// The same arguments give the same bytes, whatever the order of `tensors`.
    /// If it fails, the earlier checkpoints are as they were and no part of the
    /// new one remains.
    ///
    /// # Errors
    /// [`RunError::DiskFull`], [`RunError::Io`]; [`RunError::BadTensor`] for a
    /// name given twice or bytes that do not fill their shape.
    pub fn save(&self, meta: &CheckpointMeta, tensors: &[NamedTensor]) -> Result<Saved, RunError> {
        let path = self
            .folder
            .join(format!("{PREFIX}{:012}{SUFFIX}", meta.step));
        let versioned = Versioned {
            version: VERSION,
            meta,
        };
        let text = serde_json::to_string(&versioned)
            .map_err(|error| RunError::io("write", &path, error.into()))?;
        let mut file = AtomicFile::create(&path)?;
        container::write(&mut file, &text, tensors)?;
        file.commit()?;
        let older = self.prune(meta.step)?;
        let mut kept = vec![meta.clone()];
        // One whose header cannot be read cannot be resumed from either, so that
        // nothing has to be kept for its sake.
        kept.extend(older.iter().filter_map(|path| read_meta(path).ok()));
        Ok(Saved { path, kept })
    }

    /// Reads the newest checkpoint that is whole and that `accept` agrees to;
    /// none if there is no checkpoint at all. Changes nothing on disk.
    ///
    /// `accept` looks at what belongs to a checkpoint but lies elsewhere, above
    /// all the replay ([`super::replay_log::verify`]), and at its architecture
    /// ([`Checkpoint::check`]).
    ///
    /// # Errors
    /// [`RunError::Architecture`] at once, since an older one would not fit
    /// either; [`RunError::NoGoodCheckpoint`] if none can be used.
    pub fn load_latest(
        &self,
        mut accept: impl FnMut(&Checkpoint) -> Result<(), RunError>,
    ) -> Result<Option<LoadedLatest>, RunError> {
        let mut skipped = Vec::new();
        for (_, path) in self.list()?.into_iter().rev() {
            let outcome = Checkpoint::load(&path).and_then(|checkpoint| {
                accept(&checkpoint)?;
                Ok(checkpoint)
            });
            match outcome {
                Ok(checkpoint) => {
                    return Ok(Some(LoadedLatest {
                        checkpoint,
                        skipped,
                    }));
                }
                Err(error @ RunError::Architecture { .. }) => return Err(error),
                Err(error) => skipped.push(error),
            }
        }
        if skipped.is_empty() {
            return Ok(None);
        }
        Err(RunError::NoGoodCheckpoint {
            path: self.folder.clone(),
            errors: skipped,
        })
    }

    /// Sets aside every checkpoint newer than `step`, from which a run is being
    /// resumed: renamed to `….unusable`, they no longer count, and are removed
    /// once training has passed them.
    pub fn rewind_to(&self, step: u64) -> Result<(), RunError> {
        for (newer, path) in self.list()? {
            if newer > step {
                let aside = self.folder.join(format!("{PREFIX}{newer:012}{SET_ASIDE}"));
                fs::rename(&path, aside).map_err(|e| RunError::io("rename", &path, e))?;
            }
        }
        Ok(())
    }

    /// Every checkpoint by its step, oldest first; not verified.
    pub fn list(&self) -> Result<Vec<(u64, PathBuf)>, RunError> {
        self.list_ending_with(SUFFIX)
    }

    fn list_ending_with(&self, suffix: &str) -> Result<Vec<(u64, PathBuf)>, RunError> {
        let step = |name: &str| -> Option<u64> {
            let digits = name.strip_prefix(PREFIX)?.strip_suffix(suffix)?;
            digits.parse().ok()
        };
        let mut found: Vec<_> = atomic::file_names(&self.folder)?
            .into_iter()
            .filter_map(|name| Some((step(&name)?, self.folder.join(name))))
            .collect();
        found.sort();
        Ok(found)
    }

    /// Leaves the checkpoint of `step` and the newest before it, which is returned.
    fn prune(&self, step: u64) -> Result<Vec<PathBuf>, RunError> {
        self.rewind_to(step)?;
        let mut older: Vec<PathBuf> = self
            .list()?
            .into_iter()
            .filter(|&(at, _)| at < step)
            .map(|(_, path)| path)
            .collect();
        let kept = older.split_off(older.len().saturating_sub(KEPT - 1));
        let passed = self.list_ending_with(SET_ASIDE)?;
        let passed = passed.into_iter().filter(|&(at, _)| at <= step);
        for path in older.into_iter().chain(passed.map(|(_, path)| path)) {
            atomic::remove(&path)?;
        }
        Ok(kept)
    }
}

fn parse_meta(path: &Path, text: &str) -> Result<CheckpointMeta, RunError> {
    let malformed =
        |error: serde_json::Error| RunError::damaged(path, format!("metadata: {error}"));
    let any: Versioned<Anything> = serde_json::from_str(text).map_err(malformed)?;
    if any.version != VERSION {
        return Err(RunError::Version {
            path: path.to_owned(),
            found: any.version,
            known: VERSION,
        });
    }
    let versioned: Versioned<CheckpointMeta> = serde_json::from_str(text).map_err(malformed)?;
    Ok(versioned.meta)
}

/// Reads what a checkpoint says beside its tensors, without verifying these.
fn read_meta(path: &Path) -> Result<CheckpointMeta, RunError> {
    let io = |e| RunError::io("read", path, e);
    let mut file = File::open(path).map_err(io)?;
    let mut head = Vec::new();
    (&mut file).take(8).read_to_end(&mut head).map_err(io)?;
    let length = head.first_chunk().map_or(0, |n| u64::from_le_bytes(*n));
    file.take(length.min(LONGEST_HEADER))
        .read_to_end(&mut head)
        .map_err(io)?;
    container::head_end(path, &head)?;
    parse_meta(path, &container::meta(path, &head)?)
}
