//! Image files, and which map belongs to which image.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::error::DataError;
use super::planes::{Planes, Role};
use crate::media::{Rgb8, image_file};

/// Extensions of image files.
pub(super) const EXTENSIONS: [&str; 4] = ["png", "jpg", "jpeg", "gif"];

/// How far the colours of a grey pixel may lie apart: what a lossy file does to grey.
const GREY: u8 = 8;

/// The image files of a folder, sorted by name. Never empty.
pub(super) fn list(folder: &Path, role: Role) -> Result<Vec<PathBuf>, DataError> {
    let files = image_file::files_of(folder, &EXTENSIONS)?;
    if files.is_empty() {
        return Err(DataError::Empty {
            path: folder.to_owned(),
            what: role.plural(),
        });
    }
    Ok(files)
}

/// The map of each image, by the stems of their names.
pub(super) fn pair(
    (images, image_folder): (&[PathBuf], &Path),
    (maps, map_folder): (&[PathBuf], &Path),
) -> Result<Vec<PathBuf>, DataError> {
    let of_images = by_stem(images)?;
    let mut of_maps = by_stem(maps)?;
    let lacking: Vec<_> = (of_images.iter())
        .filter(|(stem, _)| !of_maps.contains_key(*stem))
        .collect();
    if let Some((stem, image)) = lacking.first() {
        return Err(DataError::NoMap {
            image: image.to_path_buf(),
            folder: map_folder.to_owned(),
            stem: (*stem).clone(),
            total: lacking.len(),
        });
    }
    let paired = images.iter().filter_map(|i| of_maps.remove(&stem(i)));
    let paired: Vec<PathBuf> = paired.cloned().collect();
    match of_maps.first_key_value() {
        None => Ok(paired),
        Some((stem, map)) => Err(DataError::NoImage {
            map: map.to_path_buf(),
            folder: image_folder.to_owned(),
            stem: stem.clone(),
            total: of_maps.len(),
        }),
    }
}

fn stem(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default();
    stem.to_string_lossy().into_owned()
}

fn by_stem(files: &[PathBuf]) -> Result<BTreeMap<String, &PathBuf>, DataError> {
    let mut by_stem = BTreeMap::new();
    for file in files {
        if let Some(first) = by_stem.insert(stem(file), file) {
            return Err(DataError::StemTwice {
                first: first.clone(),
                second: file.clone(),
            });
        }
    }
    Ok(by_stem)
}

/// The images of `files` one after the other, all frames of animations, with the number
/// of images in each file. `path` is what the user named.
pub(super) fn read(
    path: &Path,
    files: &[PathBuf],
    role: Role,
) -> Result<(Planes, Vec<usize>), DataError> {
    let mut planes = Planes {
        path: path.to_owned(),
        count: 0,
        channels: match role {
            Role::Frames => 3,
            Role::Saliency => 1,
        },
        height: 0,
        width: 0,
        bytes: vec![],
    };
    let mut counts = vec![];
    for file in files {
        let pictures = image_file::read_frames(file)?;
        counts.push(pictures.len());
        for picture in pictures {
            let given = (picture.height(), picture.width());
            if planes.count == 0 {
                (planes.height, planes.width) = given;
            } else if given != (planes.height, planes.width) {
                return Err(DataError::Size {
                    path: file.clone(),
                    given,
                    other: files[0].clone(),
                    size: (planes.height, planes.width),
                });
            }
            match role {
                Role::Frames => planes.bytes.extend(picture.to_chw()),
                Role::Saliency => planes.bytes.extend(grey(file, &picture)?),
            }
            planes.count += 1;
        }
    }
    Ok((planes, counts))
}

/// The brightness of a grey picture.
fn grey(path: &Path, picture: &Rgb8) -> Result<Vec<u8>, DataError> {
    (picture.colours().enumerate())
        .map(|(i, colour)| {
            let [r, g, b] = colour;
            if r.max(g).max(b) - r.min(g).min(b) > GREY {
                return Err(DataError::Colour {
                    path: path.to_owned(),
                    row: i / picture.width(),
                    column: i % picture.width(),
                    colour,
                });
            }
            Ok(((u16::from(r) + u16::from(g) + u16::from(b) + 1) / 3) as u8)
        })
        .collect()
}
