//! The moving pictures behind an agent in the video modes: files of a folder, or
//! procedural ones.

use std::path::{Path, PathBuf};

use super::bridge::VideoDecoder;
use super::native::background::{BackgroundKind, background_colour};
use super::native::noise::hash_u32;
use super::{EnvError, native::Mode};
use crate::Error;
use crate::media::clips::{ClipSource, check_moves, list_clips, read_clip};
use crate::media::image_file::{Fit, resize_bilinear, resize_square};
use crate::media::{MediaError, Rgb8};

/// How many clips the benchmark has in each of its video modes (SPEC.md F.1), and how
/// many procedural ones stand in for them.
const EASY_CLIPS: usize = 10;
const HARD_CLIPS: usize = 100;

/// Clips of one size, in an order of their own.
#[derive(Debug)]
pub struct Backgrounds {
    source: Source,
    size: usize,
    decoder: VideoDecoder,
}

#[derive(Debug)]
enum Source {
    Files(Vec<ClipSource>),
    Procedural(Vec<(BackgroundKind, u32)>),
}

/// One moving picture.
#[derive(Debug, Clone, PartialEq)]
pub enum Clip {
    /// u8[3, size, size] for each moment, 1 or more.
    Frames(Vec<Vec<u8>>),
    /// One that never repeats.
    Procedural {
        kind: BackgroundKind,
        seed: u32,
        size: usize,
    },
}

impl Backgrounds {
    /// The clips of a folder, resized to `size`×`size`. Videos are decoded by OpenCV in a
    /// Python process (`python`, as in [`super::EnvOptions::python`]) when they are loaded.
    ///
    /// # Errors
    /// Those of [`list_clips`].
    pub fn of_folder(
        folder: &Path,
        size: usize,
        python: Option<PathBuf>,
    ) -> Result<Backgrounds, Error> {
        Ok(Backgrounds {
            source: Source::Files(list_clips(folder)?),
            size,
            decoder: VideoDecoder::new(python),
        })
    }

    /// Procedural ones: as many as the benchmark has in `mode`, always the same.
    pub fn procedural(mode: Mode, size: usize) -> Backgrounds {
        let (first, count) = match mode {
            Mode::VideoHard => (EASY_CLIPS, HARD_CLIPS),
            _ => (0, EASY_CLIPS),
        };
        let kinds = BackgroundKind::ALL;
        let clip = |i: usize| (kinds[i % kinds.len()], hash_u32(i as u32));
        Backgrounds {
            source: Source::Procedural((first..first + count).map(clip).collect()),
            size,
            decoder: VideoDecoder::new(None),
        }
    }

    /// How many clips there are, 1 or more.
    pub fn count(&self) -> usize {
        match &self.source {
            Source::Files(files) => files.len(),
            Source::Procedural(clips) => clips.len(),
        }
    }

    /// Looks at every file that an episode may come to, so that a wrong one is said before
    /// the first: GIFs whole, of videos the first two frames.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn check(&mut self) -> Result<(), Error> {
        let Source::Files(files) = &self.source else {
            return Ok(());
        };
        for file in files {
            match file {
                ClipSource::Stills(_) | ClipSource::Gif(_) => drop(read_clip(file)?),
                ClipSource::Video(path) => {
                    let first = self.decoder.decode_first(path, self.size, Some(2));
                    check_moves(path, first.map_err(EnvError::from)?.len())?;
                }
            }
        }
        Ok(())
    }

    /// Clip `index` modulo [`count`](Self::count), its pictures stretched to the square
    /// as the benchmark does it ([`resize_bilinear`]).
    ///
    /// # Errors
    /// Those of reading and decoding; [`crate::media::MediaError::OneFrame`].
    pub fn load(&mut self, index: usize) -> Result<Clip, Error> {
        let size = self.size;
        match &self.source {
            Source::Files(files) => {
                let file = &files[index % files.len()];
                let resize = |picture: &_| resize_bilinear(picture, size);
                frames(file, size, &mut self.decoder, resize).map(Clip::Frames)
            }
            Source::Procedural(clips) => {
                let (kind, seed) = clips[index % clips.len()];
                Ok(Clip::Procedural { kind, seed, size })
            }
        }
    }

    /// All clips of the folder for a native world, which shows still pictures undistorted:
    /// centre-cropped and resized without aliasing. None of procedural ones.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_all(&mut self) -> Result<Vec<Vec<Vec<u8>>>, Error> {
        let (size, decoder) = (self.size, &mut self.decoder);
        let files = match &self.source {
            Source::Files(files) => files.as_slice(),
            Source::Procedural(_) => &[],
        };
        let load = |file: &ClipSource| match file {
            ClipSource::Stills(_) => frames(file, size, decoder, |p| {
                resize_square(p, size, Fit::CentreCrop)
            }),
            _ => frames(file, size, decoder, |p| resize_bilinear(p, size)),
        };
        files.iter().map(load).collect()
    }
}

/// The pictures of a clip, u8[3, size, size] each.
fn frames(
    file: &ClipSource,
    size: usize,
    decoder: &mut VideoDecoder,
    resize: impl Fn(&Rgb8) -> Result<Rgb8, MediaError>,
) -> Result<Vec<Vec<u8>>, Error> {
    match (read_clip(file)?, file) {
        (None, ClipSource::Video(path)) => {
            let frames = decoder.decode(path, size).map_err(EnvError::from)?;
            check_moves(path, frames.len())?;
            Ok(frames)
        }
        (pictures, _) => (pictures.unwrap_or_default().iter())
            .map(|picture| Ok(resize(picture)?.to_chw()))
            .collect(),
    }
}

impl Clip {
    /// What it shows `step` agent steps after the beginning of an episode,
    /// u8[3, size, size], into `frame`. One of frames begins anew when it is over.
    pub fn show(&self, step: u64, frame: &mut [u8]) {
        match self {
            Clip::Frames(frames) => {
                let at = (step % frames.len().max(1) as u64) as usize;
                if let Some(shown) = frames.get(at) {
                    frame.copy_from_slice(shown);
                }
            }
            Clip::Procedural { kind, seed, size } => {
                let side = *size as f32;
                for at in 0..size * size {
                    let (x, y) = ((at % size) as f32, (at / size) as f32);
                    let uv = [(x + 0.5) / side, (y + 0.5) / side];
                    let colour = background_colour(*kind, *seed, uv, step as f32);
                    for (c, value) in colour.into_iter().enumerate() {
                        frame[c * size * size + at] = (value * 255.0 + 0.5) as u8;
                    }
                }
            }
        }
    }
}
