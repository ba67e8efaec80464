//! Folders of moving pictures: videos, GIFs, or still pictures that are shown one after
//! the other.

use std::cmp::Ordering;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use super::image_file::{self, STILLS};
use super::{MediaError, Rgb8};

/// Extensions of files with moving pictures that are decoded here.
const ANIMATIONS: [&str; 1] = ["gif"];
/// Extensions of videos, which OpenCV decodes.
const VIDEOS: [&str; 7] = ["mp4", "m4v", "mov", "avi", "mkv", "webm", "mpg"];

/// Where one clip comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClipSource {
    /// All still pictures of a folder, one for each moment.
    Stills(Vec<PathBuf>),
    /// An animation.
    Gif(PathBuf),
    /// A video, which somebody else has to decode.
    Video(PathBuf),
}

/// The clips of a folder: each of its videos and GIFs is one, or all of its PNG and JPEG
/// files together are one. Sorted by name with numbers as numbers (`video2` before
/// `video10`). Other files and subfolders are passed over. Never empty.
///
/// # Errors
/// [`MediaError::Missing`], [`MediaError::Unreadable`], [`MediaError::NotAFolder`],
/// [`MediaError::NoClips`], [`MediaError::MixedClips`]; [`MediaError::NotAVideo`] for a
/// file that only its name makes one.
pub fn list_clips(folder: &Path) -> Result<Vec<ClipSource>, MediaError> {
    let path = || folder.to_owned();
    if !image_file::is_folder(folder)? {
        return Err(MediaError::NotAFolder { path: path() });
    }
    let sorted = |extensions: &[&str]| {
        let mut files = image_file::files_of(folder, extensions)?;
        files.sort_by(|a, b| natural(&name_of(a), &name_of(b)));
        Ok::<_, MediaError>(files)
    };
    let stills = sorted(&STILLS)?;
    let moving = sorted(&[&ANIMATIONS[..], &VIDEOS[..]].concat())?;
    match (stills.is_empty(), moving.is_empty()) {
        (true, true) => Err(MediaError::NoClips { path: path() }),
        (false, false) => Err(MediaError::MixedClips { path: path() }),
        (false, true) => Ok(vec![ClipSource::Stills(stills)]),
        (true, false) => (moving.into_iter())
            .map(|file| match image_file::has_extension(&file, &ANIMATIONS) {
                true => Ok(ClipSource::Gif(file)),
                false => check_video(&file).map(|()| ClipSource::Video(file)),
            })
            .collect(),
    }
}

/// The pictures of a clip that is decoded here, in order. `Ok(None)`: it is a video.
///
/// # Errors
/// [`MediaError::OneFrame`] for a GIF that does not move; those of
/// [`image_file::read_frames`].
pub fn read_clip(source: &ClipSource) -> Result<Option<Vec<Rgb8>>, MediaError> {
    match source {
        ClipSource::Stills(files) => {
            let read = files.iter().map(|file| image_file::read(file));
            Ok(Some(read.collect::<Result<_, _>>()?))
        }
        ClipSource::Gif(file) => {
            let frames = image_file::read_frames(file)?;
            check_moves(file, frames.len())?;
            Ok(Some(frames))
        }
        ClipSource::Video(_) => Ok(None),
    }
}

/// An error unless a video or animation has two frames or more.
///
/// # Errors
/// [`MediaError::OneFrame`].
pub fn check_moves(path: &Path, frames: usize) -> Result<(), MediaError> {
    if frames > 1 {
        return Ok(());
    }
    Err(MediaError::OneFrame {
        path: path.to_owned(),
    })
}

/// What a video file begins with, by container: somebody who gave a text file the name
/// of a video learns of it before anything runs.
fn check_video(path: &Path) -> Result<(), MediaError> {
    let unreadable = |source| MediaError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let mut head = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    (file.take(12).read_to_end(&mut head)).map_err(unreadable)?;
    // ISO base media files name a first box at byte 4; of the others the first bytes tell.
    let boxes: [&[u8]; 6] = [b"ftyp", b"moov", b"mdat", b"free", b"wide", b"skip"];
    let starts: [&[u8]; 4] = [
        b"RIFF",
        &[0x1a, 0x45, 0xdf, 0xa3],
        &[0, 0, 1, 0xba],
        &[0, 0, 1, 0xb3],
    ];
    let is_box = head.get(4..8).is_some_and(|name| boxes.contains(&name));
    if is_box || starts.iter().any(|start| head.starts_with(start)) {
        return Ok(());
    }
    let found = match fs::metadata(path).map(|data| data.len()) {
        Ok(0) => "it is empty".to_string(),
        _ => format!("it begins with \"{}\"", head.escape_ascii()),
    };
    Err(MediaError::NotAVideo {
        path: path.to_owned(),
        found,
    })
}

fn name_of(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// Names in the order of people: runs of digits as numbers.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        let (digits_a, digits_b) = (digits(a), digits(b));
        if digits_a > 0 && digits_b > 0 {
            let (x, y) = (
                a[..digits_a].trim_start_matches('0'),
                b[..digits_b].trim_start_matches('0'),
            );
            let order = x.len().cmp(&y.len()).then(x.cmp(y));
            if order != Ordering::Equal {
                return order;
            }
            (a, b) = (&a[digits_a..], &b[digits_b..]);
            continue;
        }
        match (a.chars().next(), b.chars().next()) {
            (Some(x), Some(y)) if x == y => {
                (a, b) = (&a[x.len_utf8()..], &b[y.len_utf8()..]);
            }
            (x, y) => return x.cmp(&y),
        }
    }
}

fn digits(text: &str) -> usize {
    (text.bytes().take_while(u8::is_ascii_digit)).count()
}

#[cfg(test)]
mod tests {
    use super::natural;

    #[test]
    fn numbers_in_names_are_numbers() {
        let mut names = ["v10.mp4", "v9.mp4", "v010b.mp4", "a.mp4", "v1.mp4", "v"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(
            names,
            ["a.mp4", "v", "v1.mp4", "v9.mp4", "v10.mp4", "v010b.mp4"]
        );
    }
}
