//! Which kernels were measured to be quickest, kept: for a machine in the user's cache
//! folder, for a run in its `tuning.json`.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::Error;
use crate::gpu::shader::SHADERS;
use crate::gpu::{Choices, Gpu};
use crate::run::{RunDirectory, RunError, atomic, lock};

/// Names the folder of the cache in place of the platform's own.
pub const CACHE_VARIABLE: &str = "FOVEATE_CACHE";

/// Held in the cache's folder while a file there is changed.
const KEEP_LOCK: &str = "tuning.lock";
/// Measuring has a budget of half a minute; candidates are made beside it.
const LONGEST_TURN: Duration = Duration::from_secs(120);

/// A device, and the choices that were made for it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Tuned {
    pub adapter: String,
    pub backend: String,
    pub driver: String,
    /// Digest of all shaders: choices made for others mean nothing.
    pub shaders: String,
    pub choices: Choices,
    /// Shader permutations that a run's updates run; none in the cache.
    #[serde(default)]
    pub kernels: Vec<String>,
}

impl Tuned {
    /// What holds for a device now.
    pub fn now(gpu: &Gpu) -> Tuned {
        let info = gpu.info();
        let shaders = SHADERS.iter().fold(0, |crc, shader| {
            crc32c::crc32c_append(crc, shader.source.as_bytes())
        });
        Tuned {
            adapter: info.name.clone(),
            backend: format!("{:?}", info.backend),
            driver: format!("{} {}", info.driver, info.driver_info),
            shaders: format!("{shaders:08x}"),
            choices: gpu.choices(),
            kernels: vec![],
        }
    }

    /// Whether choices made there hold here: same device, driver and shaders.
    pub fn fits(&self, other: &Tuned) -> bool {
        let machine =
            |t: &Tuned| [&t.adapter, &t.backend, &t.driver, &t.shaders].map(String::clone);
        machine(self) == machine(other)
    }

    /// As it is written: indented JSON.
    pub fn to_json(&self) -> Vec<u8> {
        format!("{:#}\n", serde_json::json!(self)).into_bytes()
    }
}

/// Why a cache holds no choices for a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unused {
    /// There is none yet.
    Absent,
    /// Unreadable, or not what this program writes.
    Damaged(String),
    /// Of another driver or another version of the shaders.
    Foreign,
}

/// The folder for what is worth keeping from one program to the next: `FOVEATE_CACHE`,
/// else the platform's folder for caches. `None` where neither is known.
pub(super) fn cache_folder() -> Option<PathBuf> {
    let named = std::env::var_os(CACHE_VARIABLE).filter(|v| !v.is_empty());
    match named {
        Some(folder) => Some(PathBuf::from(folder)),
        None => Some(dirs::cache_dir()?.join("foveate")),
    }
}

/// A device's name as a part of file names.
pub(super) fn device_name(gpu: &Gpu) -> String {
    let info = gpu.info();
    format!("{} {:?}", info.name, info.backend)
        .chars()
        .map(|c| match c.is_ascii_alphanumeric() {
            true => c.to_ascii_lowercase(),
            false => '-',
        })
        .collect()
}

/// The user's cache of measurements.
#[derive(Debug, Clone)]
pub struct TuningCache {
    folder: PathBuf,
}

impl TuningCache {
    /// In `FOVEATE_CACHE`, else in the platform's folder for caches. `None` where
    /// neither is known.
    pub fn of_user() -> Option<TuningCache> {
        cache_folder().map(TuningCache::new)
    }

    /// In a folder, which is made when something is kept.
    pub fn new(folder: impl Into<PathBuf>) -> TuningCache {
        TuningCache {
            folder: folder.into(),
        }
    }

    /// The file for a device.
    pub fn path(&self, gpu: &Gpu) -> PathBuf {
        self.folder
            .join(format!("tuning-{}.json", device_name(gpu)))
    }

    /// The choices that hold for a device, or why there are none.
    pub fn load(&self, gpu: &Gpu) -> Result<Choices, Unused> {
        let bytes = match std::fs::read(self.path(gpu)) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Err(Unused::Absent),
            Err(e) => return Err(Unused::Damaged(e.to_string())),
        };
        let kept: Tuned =
            serde_json::from_slice(&bytes).map_err(|e| Unused::Damaged(e.to_string()))?;
        match kept.fits(&Tuned::now(gpu)) {
            true => Ok(kept.choices),
            false => Err(Unused::Foreign),
        }
    }

    /// Keeps the choices of a device, beside what another process kept of others: the
    /// file is whole at any time.
    ///
    /// # Errors
    /// [`RunError::Io`] where the folder cannot be written.
    pub fn keep(&self, gpu: &Gpu, choices: &Choices) -> Result<(), RunError> {
        atomic::create_folder(&self.folder)?;
        // Read, changed and written: by one process at a time, or one takes away what
        // another has just added.
        let _turn = lock::wait_for(&self.folder.join(KEEP_LOCK))?;
        atomic::remove_stale(&self.folder)?;
        let mut all = self.load(gpu).unwrap_or_default();
        for (class, key) in choices.iter() {
            all.insert(class, key);
        }
        let tuned = Tuned {
            choices: all,
            ..Tuned::now(gpu)
        };
        atomic::write(&self.path(gpu), &tuned.to_json())
    }

    /// Waits, not for ever, until no other process measures this device: runs that are
    /// begun together would measure each other, and each the same. Gives what holds the
    /// turn until it is dropped, and adds to the device's choices what others kept
    /// meanwhile.
    pub fn take_turn(&self, gpu: &Gpu) -> Option<File> {
        atomic::create_folder(&self.folder).ok()?;
        let name = format!("measuring-{}.lock", device_name(gpu));
        let turn = lock::wait_at_most(&self.folder.join(name), LONGEST_TURN);
        let mut choices = gpu.choices();
        for (class, key) in self.load(gpu).unwrap_or_default().iter() {
            if choices.get(class).is_none() {
                choices.insert(class, key);
            }
        }
        gpu.set_choices(choices);
        turn
    }

    /// Where it lies.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

/// Notes the choices that a new run begins with before its programs are compiled; does
/// nothing to a run that has begun.
///
/// # Errors
/// Those of the file system.
pub fn begin(gpu: &Gpu, directory: &RunDirectory) -> Result<(), Error> {
    match directory.read_tuning()? {
        Some(_) => Ok(()),
        None => Ok(directory.write_tuning(&Tuned::now(gpu).to_json())?),
    }
}

/// Before a run's programs are compiled: one that was started before runs the kernels
/// that it ran then, whatever has been measured since.
///
/// # Errors
/// Those of the file system.
pub fn restore(gpu: &Gpu, directory: &RunDirectory) -> Result<(), Error> {
    let Some(bytes) = directory.read_tuning()? else {
        return Ok(());
    };
    gpu.set_tuning(None);
    // What cannot be read differs from what is noted afterwards: the user is told then.
    let kept = serde_json::from_slice::<Tuned>(&bytes).map(|kept| kept.choices);
    gpu.set_choices(kept.unwrap_or_default());
    Ok(())
}

/// Afterwards: no more is measured, and `tuning.json` says which device runs which
/// kernels; a resumed run that differs is told that its bits may differ.
///
/// # Errors
/// Those of the file system.
pub fn note<'a>(
    gpu: &Gpu,
    kernels: impl Iterator<Item = &'a str>,
    directory: &RunDirectory,
    notice: &mut dyn FnMut(String),
) -> Result<(), Error> {
    gpu.set_tuning(None);
    let kernels: std::collections::BTreeSet<&str> = kernels.collect();
    let now = Tuned {
        kernels: kernels.into_iter().map(str::to_string).collect(),
        ..Tuned::now(gpu)
    }
    .to_json();
    let Some(before) = directory.read_tuning()? else {
        return Ok(directory.write_tuning(&now)?);
    };
    if before == now {
        return Ok(());
    }
    // Noted at its very beginning, a run has no kernels yet.
    let begun = Tuned::now(gpu).to_json();
    if before != begun {
        notice(
            "this run was started with another device, driver, version or choice of kernels (tuning.json): it goes on, but not with the same bits"
                .to_string(),
        );
    }
    Ok(directory.write_tuning(&now)?)
}
