//! Images of one size, with their saliency maps where there are some.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::array::{Archive, read_npy};
use super::error::DataError;
use super::folder;
use super::planes::{Planes, Role};
use crate::media::{MediaError, image_file};

/// Images of one size and, where they were given, one saliency map each.
#[derive(Debug)]
pub struct ImageSet {
    images: Planes,
    saliency: Option<Planes>,
}

impl ImageSet {
    /// Reads images from `images` and their maps from `saliency`. Each is one of
    ///
    /// - a folder of PNG, JPEG and GIF files, sorted by name (every frame of a GIF is an
    ///   image; other files and subfolders are passed over), or one such file;
    /// - a `.safetensors` file: images in the tensor `frames`, maps in `saliency`;
    /// - a `.npy` file of one array.
    ///
    /// Arrays are u8 in 0..255 or f32 in 0..1; images [N, H, W, C] or [N, C, H, W] with 1
    /// or 3 channels (where both fit, the channels are last), or [N, H, W]; maps
    /// [N, H, W]. Image files have 3 channels; maps in image files are grey. The maps in
    /// the safetensors file of the images are used if `saliency` is `None`.
    ///
    /// Of two folders a map belongs to the image with the same stem (`7.png`, `7.jpg`);
    /// else the first map belongs to the first image, and so on.
    ///
    /// # Errors
    /// [`DataError`], whose variants say what is refused; the first that is met ends it.
    pub fn read(images: &Path, saliency: Option<&Path>) -> Result<ImageSet, DataError> {
        let source = Source::of(images, Role::Frames)?;
        let (planes, own, counts) = match &source {
            Source::Files { files, .. } => {
                let (planes, counts) = folder::read(images, files, Role::Frames)?;
                (planes, None, counts)
            }
            Source::Safetensors => {
                let archive = Archive::open(images)?;
                let own = match saliency {
                    Some(_) => None,
                    None => archive.saliency()?,
                };
                (archive.frames()?, own, vec![])
            }
            Source::Npy => (read_npy(images, Role::Frames)?, None, vec![]),
        };
        let maps = match saliency {
            Some(path) => Some(read_maps(path, (images, &source, &counts))?),
            None => own,
        };
        if let Some(maps) = &maps {
            check_maps(&planes, maps)?;
        }
        Ok(ImageSet {
            images: planes,
            saliency: maps,
        })
    }

    /// How many images there are, at least 1.
    pub fn count(&self) -> usize {
        self.images.count
    }

    /// 1 or 3.
    pub fn channels(&self) -> usize {
        self.images.channels
    }

    /// Height of each in pixels, at least 1.
    pub fn height(&self) -> usize {
        self.images.height
    }

    /// Width of each in pixels, at least 1.
    pub fn width(&self) -> usize {
        self.images.width
    }

    /// All images, u8[count, channels, height, width].
    pub fn pixels(&self) -> &[u8] {
        &self.images.bytes
    }

    /// Image number `i`, u8[channels, height, width]; `None` beyond the last.
    pub fn image(&self, i: usize) -> Option<&[u8]> {
        nth(&self.images, i)
    }

    /// Whether there are saliency maps.
    pub fn has_saliency(&self) -> bool {
        self.saliency.is_some()
    }

    /// The images alone.
    pub fn without_saliency(mut self) -> ImageSet {
        self.saliency = None;
        self
    }

    /// All maps, u8[count, height, width], 255 where it matters most; `None` without.
    pub fn saliency_pixels(&self) -> Option<&[u8]> {
        self.saliency.as_ref().map(|maps| &maps.bytes[..])
    }

    /// The map of image number `i`, u8[height, width].
    pub fn saliency(&self, i: usize) -> Option<&[u8]> {
        nth(self.saliency.as_ref()?, i)
    }

    /// An error unless the images divide into patches of `patch`×`patch` pixels.
    ///
    /// # Errors
    /// [`DataError::Patch`] with the patches and the nearest sizes that fit.
    pub fn check_patch(&self, patch: usize) -> Result<(), DataError> {
        let (height, width) = (self.height(), self.width());
        if patch > 0 && height.is_multiple_of(patch) && width.is_multiple_of(patch) {
            return Ok(());
        }
        let fitting: Vec<String> = (1..=height.min(width))
            .filter(|p| height.is_multiple_of(*p) && width.is_multiple_of(*p))
            .map(|p| p.to_string())
            .collect();
        let nearest = |side: usize| match side.checked_rem(patch) {
            Some(rest) if side > patch && 2 * rest < patch => Some(side - rest),
            Some(rest) => Some(side - rest + if rest > 0 { patch } else { 0 }),
            None => None,
        };
        let resized = match (nearest(height), nearest(width)) {
            (Some(h), Some(w)) => format!(", or resize them to {h}×{w}"),
            _ => String::new(),
        };
        Err(DataError::Patch {
            path: self.images.path.clone(),
            height,
            width,
            patch,
            hint: format!("patches that do: {}{resized}", fitting.join(", ")),
        })
    }
}

/// What a path leads to.
enum Source {
    /// Image files; all of a folder, or one that was named itself.
    Files {
        files: Vec<PathBuf>,
        folder: bool,
    },
    Safetensors,
    Npy,
}

impl Source {
    fn of(path: &Path, role: Role) -> Result<Source, DataError> {
        let what = role.plural();
        let metadata = fs::metadata(path).map_err(|source| match source.kind() {
            ErrorKind::NotFound => DataError::Missing {
                path: path.to_owned(),
                what,
            },
            _ => MediaError::Unreadable {
                path: path.to_owned(),
                source,
            }
            .into(),
        })?;
        if metadata.is_dir() {
            return Ok(Source::Files {
                files: folder::list(path, role)?,
                folder: true,
            });
        }
        let is = |extensions: &[&str]| image_file::has_extension(path, extensions);
        if is(&["safetensors"]) {
            Ok(Source::Safetensors)
        } else if is(&["npy"]) {
            Ok(Source::Npy)
        } else if is(&folder::EXTENSIONS) {
            Ok(Source::Files {
                files: vec![path.to_owned()],
                folder: false,
            })
        } else {
            let path = path.to_owned();
            Err(DataError::UnknownKind { path, what })
        }
    }
}

/// The maps in `path` for images that were read from `images`, with `counts` images in
/// each of their files.
fn read_maps(
    path: &Path,
    (images, source, counts): (&Path, &Source, &[usize]),
) -> Result<Planes, DataError> {
    let files = match Source::of(path, Role::Saliency)? {
        Source::Safetensors => return Archive::open(path)?.required_saliency(),
        Source::Npy => return read_npy(path, Role::Saliency),
        Source::Files {
            files,
            folder: true,
        } => files,
        Source::Files { files, .. } => return Ok(folder::read(path, &files, Role::Saliency)?.0),
    };
    let Source::Files {
        files: image_files,
        folder: true,
    } = source
    else {
        return Ok(folder::read(path, &files, Role::Saliency)?.0);
    };
    let maps = folder::pair((image_files, images), (&files, path))?;
    let (planes, map_counts) = folder::read(path, &maps, Role::Saliency)?;
    // An animation needs a map for each of its own frames, not only as many in all.
    let pairs = image_files.iter().zip(counts);
    for ((image, &right), (map, &given)) in pairs.zip(maps.iter().zip(&map_counts)) {
        if given != right {
            return Err(DataError::Count {
                path: map.clone(),
                given,
                images: image.clone(),
                right,
            });
        }
    }
    Ok(planes)
}

fn check_maps(images: &Planes, maps: &Planes) -> Result<(), DataError> {
    if maps.count != images.count {
        return Err(DataError::Count {
            path: maps.path.clone(),
            given: maps.count,
            images: images.path.clone(),
            right: images.count,
        });
    }
    let (given, size) = ((maps.height, maps.width), (images.height, images.width));
    if given != size {
        return Err(DataError::Size {
            path: maps.path.clone(),
            given,
            other: images.path.clone(),
            size,
        });
    }
    Ok(())
}

fn nth(planes: &Planes, i: usize) -> Option<&[u8]> {
    let size = planes.channels * planes.height * planes.width;
    planes.bytes.chunks_exact(size).nth(i)
}
