//! Arrays of images: safetensors and NumPy files.

use std::fs;
use std::path::Path;

use safetensors::{Dtype, SafeTensors};

use super::error::DataError;
use super::planes::{Planes, Role};
use super::{FRAMES, SALIENCY, npy};
use crate::media::MediaError;

/// What an array of images is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Element {
    /// 0 to 255.
    U8,
    /// 0 to 1.
    F32,
}

impl Element {
    fn size(self) -> usize {
        match self {
            Element::U8 => 1,
            Element::F32 => 4,
        }
    }
}

/// An array as it lies in a file.
struct Array<'a> {
    path: &'a Path,
    name: &'a str,
    element: Element,
    shape: &'a [usize],
    bytes: &'a [u8],
}

/// A safetensors file.
pub(super) struct Archive<'a> {
    path: &'a Path,
    bytes: Vec<u8>,
}

impl Archive<'_> {
    /// Reads a file into memory, unchecked.
    pub fn open(path: &Path) -> Result<Archive<'_>, DataError> {
        let bytes = read(path)?;
        Ok(Archive { path, bytes })
    }

    /// Its images.
    pub fn frames(&self) -> Result<Planes, DataError> {
        let frames = self.planes(FRAMES, Role::Frames)?;
        frames.map_or_else(|| self.lacks(FRAMES), Ok)
    }

    /// Its maps, if there are some.
    pub fn saliency(&self) -> Result<Option<Planes>, DataError> {
        self.planes(SALIENCY, Role::Saliency)
    }

    /// Its maps, which must be there.
    pub fn required_saliency(&self) -> Result<Planes, DataError> {
        self.saliency()?.map_or_else(|| self.lacks(SALIENCY), Ok)
    }

    fn file(&self) -> Result<SafeTensors<'_>, DataError> {
        SafeTensors::deserialize(&self.bytes).map_err(|e| DataError::Damaged {
            path: self.path.to_owned(),
            kind: "safetensors",
            reason: e.to_string(),
        })
    }

    fn planes(&self, name: &str, role: Role) -> Result<Option<Planes>, DataError> {
        let file = self.file()?;
        let Ok(view) = file.tensor(name) else {
            return Ok(None);
        };
        let element = match view.dtype() {
            Dtype::U8 => Element::U8,
            Dtype::F32 => Element::F32,
            other => {
                return Err(DataError::Type {
                    path: self.path.to_owned(),
                    name: name.to_string(),
                    given: other.to_string(),
                });
            }
        };
        let array = Array {
            path: self.path,
            name,
            element,
            shape: view.shape(),
            bytes: view.data(),
        };
        array.planes(role).map(Some)
    }

    fn lacks(&self, name: &'static str) -> Result<Planes, DataError> {
        let file = self.file()?;
        let mut names = file.names();
        names.sort_unstable();
        Err(DataError::NoTensor {
            path: self.path.to_owned(),
            name,
            found: match names.is_empty() {
                true => "none".to_string(),
                false => names.join(", "),
            },
        })
    }
}

/// Reads the one array of a NumPy file.
pub(super) fn read_npy(path: &Path, role: Role) -> Result<Planes, DataError> {
    let bytes = read(path)?;
    let damaged = |reason: String| DataError::Damaged {
        path: path.to_owned(),
        kind: "NumPy (.npy)",
        reason,
    };
    let header = npy::header(&bytes).map_err(damaged)?;
    let name = "the array";
    let element = header.element.map_err(|given| DataError::Type {
        path: path.to_owned(),
        name: name.to_string(),
        given,
    })?;
    let body = &bytes[header.start..];
    let needed = (header.shape.iter()).try_fold(element.size(), |n, &d| n.checked_mul(d));
    if needed != Some(body.len()) {
        return Err(damaged(format!(
            "an array of shape {:?} does not fill {} bytes",
            header.shape,
            body.len()
        )));
    }
    let array = Array {
        path,
        name,
        element,
        shape: &header.shape,
        bytes: body,
    };
    array.planes(role)
}

fn read(path: &Path) -> Result<Vec<u8>, DataError> {
    fs::read(path).map_err(|source| {
        let path = path.to_owned();
        MediaError::Unreadable { path, source }.into()
    })
}

/// Where the channels of an array are.
#[derive(Clone, Copy, PartialEq)]
enum Layout {
    ChannelsFirst,
    ChannelsLast,
}

impl Array<'_> {
    /// The images, channel by channel. The bytes fill the shape.
    fn planes(&self, role: Role) -> Result<Planes, DataError> {
        let (known, right): (&[usize], _) = match role {
            Role::Frames => (
                &[1, 3],
                "[N, H, W, C] or [N, C, H, W] with 1 or 3 channels, or [N, H, W]",
            ),
            Role::Saliency => (&[1], "[N, H, W]"),
        };
        // Where both could hold channels they are last: images of 1 or 3 columns are rare.
        let found = match *self.shape {
            [n, h, w] => Some((n, 1, h, w, Layout::ChannelsFirst)),
            [n, h, w, c] if known.contains(&c) => Some((n, c, h, w, Layout::ChannelsLast)),
            [n, c, h, w] if known.contains(&c) => Some((n, c, h, w, Layout::ChannelsFirst)),
            _ => None,
        };
        let Some((count, channels, height, width, layout)) =
            found.filter(|_| !self.shape.contains(&0))
        else {
            return Err(DataError::Shape {
                path: self.path.to_owned(),
                name: self.name.to_string(),
                given: self.shape.to_vec(),
                right,
            });
        };
        let bytes = match self.element {
            Element::U8 => self.bytes.to_vec(),
            Element::F32 => self.quantised()?,
        };
        let bytes = match layout {
            Layout::ChannelsLast if channels > 1 => planar(&bytes, channels, height * width),
            _ => bytes,
        };
        Ok(Planes {
            path: self.path.to_owned(),
            count,
            channels,
            height,
            width,
            bytes,
        })
    }

    /// Floats in 0..1 as the nearest of 0..255.
    fn quantised(&self) -> Result<Vec<u8>, DataError> {
        (self.bytes.chunks_exact(4).enumerate())
            .map(|(i, chunk)| {
                let value = f32::from_le_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]);
                if (0.0..=1.0).contains(&value) {
                    return Ok((255.0 * value).round() as u8);
                }
                Err(DataError::Range {
                    path: self.path.to_owned(),
                    name: self.name.to_string(),
                    index: index(i, self.shape),
                    value,
                })
            })
            .collect()
    }
}

/// [N, area, C] → [N, C, area].
fn planar(bytes: &[u8], channels: usize, area: usize) -> Vec<u8> {
    let images = bytes.chunks_exact(channels * area);
    images
        .flat_map(|image| {
            (0..channels).flat_map(move |c| image.iter().skip(c).step_by(channels).copied())
        })
        .collect()
}

/// The indices of element number `flat`.
fn index(mut flat: usize, shape: &[usize]) -> Vec<usize> {
    let mut indices: Vec<usize> = (shape.iter().rev())
        .map(|&d| {
            let i = flat % d;
            flat /= d;
            i
        })
        .collect();
    indices.reverse();
    indices
}
