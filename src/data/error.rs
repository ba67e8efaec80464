//! What can go wrong with sets of images.

use std::path::PathBuf;

use crate::files::is_misplaced_folder;
use crate::media::MediaError;

/// What can go wrong with sets of images. Each names the file, what it holds and what
/// would be right. Sizes are height×width.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// An image that cannot be read or a file that cannot be written.
    #[error(transparent)]
    Media(#[from] MediaError),
    /// Nothing is there.
    #[error("there is no file or folder at '{}'; {what} are a folder of .png, .jpg, .jpeg or .gif files, a .safetensors file or a .npy file", path.display())]
    Missing { path: PathBuf, what: &'static str },
    /// A file of another kind.
    #[error("'{}' has no known extension; {what} are a folder of .png, .jpg, .jpeg or .gif files, a .safetensors file or a .npy file", path.display())]
    UnknownKind { path: PathBuf, what: &'static str },
    /// A folder without images.
    #[error("the folder '{}' holds no {what}; it must hold at least one .png, .jpg, .jpeg or .gif file (an array is named by its own file)", path.display())]
    Empty { path: PathBuf, what: &'static str },
    /// Images of several sizes, or maps of another size than their images.
    #[error("'{}' is {}×{}, but '{}' is {}×{}: all must be of one size", path.display(), given.0, given.1, other.display(), size.0, size.1)]
    Size {
        path: PathBuf,
        given: (usize, usize),
        /// The one that came before.
        other: PathBuf,
        size: (usize, usize),
    },
    /// An image without its map.
    #[error("'{}' has no saliency map: '{}' must hold {stem}.png, .jpg, .jpeg or .gif{}", image.display(), folder.display(), and_more(*.total, "images without one"))]
    NoMap {
        image: PathBuf,
        folder: PathBuf,
        stem: String,
        /// How many images have none.
        total: usize,
    },
    /// A map without its image.
    #[error("the saliency map '{}' belongs to no image: '{}' holds no {stem}.png, .jpg, .jpeg or .gif; remove the map or add the image{}", map.display(), folder.display(), and_more(*.total, "maps without one"))]
    NoImage {
        map: PathBuf,
        folder: PathBuf,
        stem: String,
        /// How many maps have none.
        total: usize,
    },
    /// Two files whose names differ in the extension alone.
    #[error("'{}' and '{}' have one stem: images and saliency maps are matched by it, so each may be there once", first.display(), second.display())]
    StemTwice { first: PathBuf, second: PathBuf },
    /// Not as many maps as images.
    #[error("'{}' holds {given} saliency maps, '{}' {right} images: one map for each image is needed", path.display(), images.display())]
    Count {
        path: PathBuf,
        given: usize,
        images: PathBuf,
        right: usize,
    },
    /// A saliency map in colours.
    #[error("the saliency map '{}' is in colour (red {}, green {}, blue {} at row {row}, column {column}): it must be grey, 0 to 255", path.display(), colour[0], colour[1], colour[2])]
    Colour {
        path: PathBuf,
        row: usize,
        column: usize,
        colour: [u8; 3],
    },
    /// An array file that is truncated or none.
    #[error("'{}' is no whole {kind} file: {reason}", path.display())]
    Damaged {
        path: PathBuf,
        kind: &'static str,
        reason: String,
    },
    /// A safetensors file without the tensor that is needed.
    #[error("'{}' holds no tensor '{name}'; it holds {found}", path.display())]
    NoTensor {
        path: PathBuf,
        name: &'static str,
        found: String,
    },
    /// An array that is no images.
    #[error("{name} of '{}' has shape {given:?}; {right} is needed, no side 0", path.display())]
    Shape {
        path: PathBuf,
        name: String,
        given: Vec<usize>,
        right: &'static str,
    },
    /// An array of other elements.
    #[error("{name} of '{}' is of type {given}; u8 (0 to 255) or f32 (0 to 1), little endian and in C order, is needed", path.display())]
    Type {
        path: PathBuf,
        name: String,
        given: String,
    },
    /// States that are not what a recording has.
    #[error("the states of '{}' cannot be used: {reason}", path.display())]
    State { path: PathBuf, reason: String },
    /// A float that is no brightness.
    #[error("{name}{index:?} of '{}' is {value}; floats must lie between 0 and 1 (store 0 to 255 as u8)", path.display())]
    Range {
        path: PathBuf,
        name: String,
        index: Vec<usize>,
        value: f32,
    },
    /// Images that do not divide into patches.
    #[error("the images of '{}' are {height}×{width}, which patches of {patch}×{patch} do not divide; {hint}", path.display())]
    Patch {
        path: PathBuf,
        height: usize,
        width: usize,
        patch: usize,
        hint: String,
    },
    /// More frames than memory holds.
    #[error(
        "out of memory: {frames} frames of {side}×{side} need {bytes} bytes; collect fewer at a time"
    )]
    TooLarge {
        frames: usize,
        side: usize,
        bytes: u128,
    },
    /// A moment that does not fit the recording.
    #[error("{what} has {given} elements; this recording needs {right}")]
    Moment {
        what: &'static str,
        given: usize,
        right: usize,
    },
    /// A folder to be replaced holds what was not collected.
    #[error("'{}' holds '{other}', which is not of a recording: move it away, or write to another directory", path.display())]
    Foreign { path: PathBuf, other: String },
    /// A file or folder of a recording that cannot be made, moved or removed.
    #[error("cannot {action} '{}': {source}", path.display())]
    File {
        action: &'static str,
        path: PathBuf,
        source: std::io::Error,
    },
}

impl DataError {
    /// Whether the user can mend it by asking differently.
    pub fn is_user_mistake(&self) -> bool {
        match self {
            DataError::Media(e) => e.is_user_mistake(),
            DataError::File { action, source, .. } => is_misplaced_folder(action, source),
            DataError::Moment { .. } => false,
            _ => true,
        }
    }
}

/// ` (3 images without one in all)` where there are several.
fn and_more(total: usize, what: &str) -> String {
    match total {
        0 | 1 => String::new(),
        n => format!(" ({n} {what} in all)"),
    }
}
