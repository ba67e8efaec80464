//! What was seen in an environment: frames, where to look, and where things were.

use std::fs;
use std::path::{Path, PathBuf};

use safetensors::Dtype;

use super::error::DataError;
use super::tensors::{self, Written};
use super::{FRAMES, SALIENCY};
use crate::files::MAKE_FOLDER;
use crate::media::{Rgb8, check_writable};

/// The file of a recording in its directory.
const FILE: &str = "frames.safetensors";
/// The folders of a recording as pictures.
const FOLDERS: [&str; 2] = [SALIENCY, FRAMES];
/// A picture's name has so many digits at least.
const DIGITS: usize = 6;

/// One moment to be recorded.
#[derive(Debug, Clone, Copy)]
pub struct Moment<'a> {
    /// u8[3, side, side].
    pub frame: &'a [u8],
    /// u8[side, side], 255 where it matters most.
    pub saliency: Option<&'a [u8]>,
    /// The state of the world as numbers.
    pub state: &'a [f32],
    pub episode: u64,
}

/// Moments in the order in which they were seen, in memory until they are written.
#[derive(Debug)]
pub struct Recording {
    side: usize,
    state_size: usize,
    /// u8[N, side, side, 3].
    frames: Vec<u8>,
    /// u8[N, side, side] or, without, empty.
    saliency: Vec<u8>,
    /// f32[N, state_size].
    state: Vec<f32>,
    /// i32[N].
    episode: Vec<i32>,
}

impl Recording {
    /// For `frames` moments with frames of `side`×`side` and a state of `state_size`
    /// numbers (0: none).
    ///
    /// # Errors
    /// [`DataError::TooLarge`] if memory does not hold them.
    pub fn new(frames: usize, side: usize, state_size: usize) -> Result<Recording, DataError> {
        let each = 4 * side * side + 4 * state_size + 4;
        let mut recording = Recording {
            side,
            state_size,
            frames: vec![],
            saliency: vec![],
            state: vec![],
            episode: vec![],
        };
        let area = side * side;
        let held = |n: usize| frames.saturating_mul(n);
        (recording.frames.try_reserve_exact(held(3 * area)))
            .and_then(|()| recording.saliency.try_reserve_exact(held(area)))
            .and_then(|()| recording.state.try_reserve_exact(held(state_size)))
            .and_then(|()| recording.episode.try_reserve_exact(frames))
            .map_err(|_| DataError::TooLarge {
                frames,
                side,
                bytes: frames as u128 * each as u128,
            })?;
        Ok(recording)
    }

    /// Adds a moment. All must have a saliency map or none.
    ///
    /// # Errors
    /// [`DataError::Moment`] if something has another size than the recording's; nothing
    /// is added then.
    pub fn push(&mut self, moment: &Moment) -> Result<(), DataError> {
        let area = self.side * self.side;
        let maps = match self.episode.is_empty() {
            true => moment.saliency.is_some(),
            false => self.has_saliency(),
        };
        let map = moment.saliency.unwrap_or_default();
        for (what, given, right) in [
            ("a frame", moment.frame.len(), 3 * area),
            ("a saliency map", map.len(), usize::from(maps) * area),
            ("a state", moment.state.len(), self.state_size),
        ] {
            if given != right {
                return Err(DataError::Moment { what, given, right });
            }
        }
        self.frames.extend((0..area).flat_map(|i| {
            [
                moment.frame[i],
                moment.frame[area + i],
                moment.frame[2 * area + i],
            ]
        }));
        self.saliency.extend(map);
        self.state.extend(moment.state);
        // A recording of 2³¹ episodes does not fit any memory.
        let episode = i32::try_from(moment.episode).unwrap_or(i32::MAX);
        self.episode.push(episode);
        Ok(())
    }

    /// How many moments there are.
    pub fn count(&self) -> usize {
        self.episode.len()
    }

    /// Whether each has a saliency map.
    pub fn has_saliency(&self) -> bool {
        !self.saliency.is_empty()
    }

    /// How many episodes they are from.
    pub fn episodes(&self) -> usize {
        let changes = self.episode.windows(2).filter(|pair| pair[0] != pair[1]);
        changes.count() + usize::from(!self.episode.is_empty())
    }

    /// The mean of the saliency maps, 0 to 1: how much of a frame matters.
    pub fn mean_saliency(&self) -> Option<f64> {
        let sum: u64 = self.saliency.iter().map(|&v| u64::from(v)).sum();
        self.has_saliency()
            .then(|| sum as f64 / 255.0 / self.saliency.len() as f64)
    }

    /// Writes `frames.safetensors` into `directory`, whole or not at all: `frames`
    /// `u8[N, H, W, 3]`, `saliency` `u8[N, H, W]` and `state` `f32[N, S]` where there are
    /// some, `episode` `i32[N]`; `notes` stand in the file's metadata as `foveate`. The same
    /// recording gives the same bytes. Returns the path.
    ///
    /// # Errors
    /// [`DataError::File`] or [`DataError::Media`]: what stood there is untouched.
    pub fn write_tensors(&self, directory: &Path, notes: &str) -> Result<PathBuf, DataError> {
        let (count, side) = (self.count(), self.side);
        // Four-byte elements first, so that every tensor is aligned to its elements.
        let state: &[u8] = bytemuck::cast_slice(&self.state);
        let mut tensors: Vec<Written> = vec![(
            "episode",
            Dtype::I32,
            vec![count],
            bytemuck::cast_slice(&self.episode),
        )];
        if self.state_size > 0 {
            tensors.push(("state", Dtype::F32, vec![count, self.state_size], state));
        }
        let shape = vec![count, side, side, 3];
        tensors.push((FRAMES, Dtype::U8, shape, &self.frames));
        if self.has_saliency() {
            let shape = vec![count, side, side];
            tensors.push((SALIENCY, Dtype::U8, shape, &self.saliency));
        }
        make_folder(directory)?;
        let path = directory.join(FILE);
        tensors::write(&path, notes, &tensors)?;
        Ok(path)
    }

    /// Writes `frames/000000.png` and on, and `saliency/` likewise where there are maps.
    /// The folders get their names when they are complete; pictures of an earlier
    /// recording in them are replaced. Returns the folder of the frames.
    ///
    /// # Errors
    /// [`DataError::Foreign`] if a folder holds anything else; [`DataError::File`],
    /// [`DataError::Media`].
    pub fn write_pictures(&self, directory: &Path) -> Result<PathBuf, DataError> {
        make_folder(directory)?;
        for name in FOLDERS {
            pictures_of(&directory.join(name))?;
        }
        let staging = FOLDERS.map(|name| directory.join(format!(".{name}.tmp")));
        let staged = self.stage(&staging);
        let done = staged.and_then(|()| {
            for (name, staged) in FOLDERS.iter().zip(&staging) {
                let folder = directory.join(name);
                remove_pictures(&folder)?;
                if staged.is_dir() {
                    fs::rename(staged, &folder).map_err(|e| failed("make", &folder, e))?;
                }
            }
            Ok(())
        });
        if done.is_err() {
            for staged in &staging {
                // What failed is told; a leftover is written over next time.
                let _ = remove_pictures(staged);
            }
        }
        done.map(|()| directory.join(FRAMES))
    }

    /// Writes the pictures into new folders, for maps and for frames.
    fn stage(&self, [maps, frames]: &[PathBuf; 2]) -> Result<(), DataError> {
        let (side, area) = (self.side, self.side * self.side);
        let digits = (self.count().saturating_sub(1).to_string().len()).max(DIGITS);
        let write = |folder: &Path, i: usize, colours: Vec<u8>| -> Result<(), DataError> {
            let path = folder.join(format!("{i:0digits$}.png"));
            Ok(Rgb8::new(side, side, colours)?.save_png(&path)?)
        };
        for (folder, wanted) in [(maps, self.has_saliency()), (frames, true)] {
            remove_pictures(folder)?;
            if wanted {
                make_folder(folder)?;
            }
        }
        for (i, frame) in self.frames.chunks_exact(3 * area).enumerate() {
            write(frames, i, frame.to_vec())?;
        }
        for (i, map) in self.saliency.chunks_exact(area).enumerate() {
            write(maps, i, map.iter().flat_map(|&v| [v; 3]).collect())?;
        }
        Ok(())
    }

    /// Makes `directory` and checks that a recording can be written there, as tensors or
    /// as `pictures`, before there is one. What is there is not touched.
    ///
    /// # Errors
    /// Those of writing it.
    pub fn prepare(directory: &Path, pictures: bool) -> Result<(), DataError> {
        make_folder(directory)?;
        if pictures {
            for name in FOLDERS {
                pictures_of(&directory.join(name))?;
            }
        }
        // Of a folder that is renamed as of a file: the directory must be writable.
        Ok(check_writable(&directory.join(FILE))?)
    }

    /// The file of tensors of the recording in `directory`, or `path` itself if it is none.
    pub fn file(path: &Path) -> PathBuf {
        match path.is_dir() {
            true => path.join(FILE),
            false => path.to_owned(),
        }
    }

    /// The first file or folder in `directory` that writing would replace, as tensors or
    /// as `pictures`.
    pub fn existing(directory: &Path, pictures: bool) -> Option<PathBuf> {
        let names: &[&str] = if pictures { &FOLDERS } else { &[FILE] };
        (names.iter().map(|name| directory.join(name))).find(|path| path.exists())
    }
}

/// The pictures of an earlier recording in `folder`; none if it is absent.
fn pictures_of(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let entries = match fs::read_dir(folder) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(vec![]),
        entries => entries.map_err(|e| failed("list", folder, e))?,
    };
    let mut files = vec![];
    for entry in entries {
        let entry = entry.map_err(|e| failed("list", folder, e))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let number = name.strip_suffix(".png").unwrap_or_default();
        let ours = number.len() >= DIGITS && number.bytes().all(|b| b.is_ascii_digit());
        // A picture that was being written when the process was killed.
        let unfinished = name.starts_with('.') && name.ends_with(".tmp");
        if !ours && !unfinished {
            return Err(DataError::Foreign {
                path: folder.to_owned(),
                other: name,
            });
        }
        files.push(entry.path());
    }
    Ok(files)
}

/// Removes a folder that holds pictures of a recording and nothing else; that it is
/// absent is no error.
fn remove_pictures(folder: &Path) -> Result<(), DataError> {
    for file in pictures_of(folder)? {
        fs::remove_file(&file).map_err(|e| failed("remove", &file, e))?;
    }
    match fs::remove_dir(folder) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(failed("remove", folder, e)),
        _ => Ok(()),
    }
}

fn make_folder(folder: &Path) -> Result<(), DataError> {
    fs::create_dir_all(folder).map_err(|e| failed(MAKE_FOLDER, folder, e))
}

fn failed(action: &'static str, path: &Path, source: std::io::Error) -> DataError {
    let path = path.to_owned();
    DataError::File {
        action,
        path,
        source,
    }
}
