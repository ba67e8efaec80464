//! What can go wrong with pictures.

use std::path::PathBuf;

use crate::files::is_misplaced;

/// What can go wrong with pictures. Errors about a file name its path.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MediaError {
    /// Neither a file nor a folder is there.
    #[error("there is no image file or folder at '{}'", path.display())]
    Missing { path: PathBuf },
    /// A folder was wanted.
    #[error("'{}' is not a folder; give a folder of images or videos", path.display())]
    NotAFolder { path: PathBuf },
    /// A folder without one PNG or JPEG.
    #[error("the folder '{}' holds no image; it must hold at least one .png, .jpg or .jpeg file", path.display())]
    EmptyFolder { path: PathBuf },
    /// A folder without anything that can be a background.
    #[error("the folder '{}' holds neither images nor videos; it must hold .png or .jpg files, .gif files, or videos such as .mp4", path.display())]
    NoClips { path: PathBuf },
    /// A folder of which it is not clear what is meant.
    #[error("the folder '{}' holds still pictures (.png, .jpg) and moving ones (.gif, videos); keep one kind in it", path.display())]
    MixedClips { path: PathBuf },
    /// A file that only its name makes a video.
    #[error("'{}' is not a video: {found}; give an MP4, MOV, AVI, MKV, WebM or MPEG file", path.display())]
    NotAVideo { path: PathBuf, found: String },
    /// A video that does not move.
    #[error("'{}' has one frame; a moving background needs 2 or more (still pictures are shown one after the other if they are .png or .jpg files)", path.display())]
    OneFrame { path: PathBuf },
    /// The operating system refused to read it.
    #[error("cannot read '{}': {source}", path.display())]
    Unreadable {
        path: PathBuf,
        source: std::io::Error,
    },
    /// An empty file, or an image without pixels.
    #[error("the image '{}' has no pixels (an empty file, or a width or height of 0)", path.display())]
    ZeroSized { path: PathBuf },
    /// Not a whole image of a kind that is read here.
    #[error("'{}' is not a readable image: {reason}", path.display())]
    NotAnImage { path: PathBuf, reason: String },
    /// Decoding would need more memory than the limit.
    #[error("the image '{}' is too large to decode (limit {limit_mib} MiB of pixels): {reason}", path.display())]
    TooLarge {
        path: PathBuf,
        limit_mib: u64,
        reason: String,
    },
    /// A picture's data or extent is not what the operation needs.
    #[error("{what}: expected {expected}, got {got}")]
    Shape {
        what: &'static str,
        expected: String,
        got: String,
    },
    /// A file could not be written; what stood there before is untouched.
    #[error("cannot write '{}': {source}", path.display())]
    Unwritable {
        path: PathBuf,
        source: std::io::Error,
    },
    /// An encoder or the plotting library failed.
    #[error("cannot draw or encode {what}: {reason}")]
    Encode { what: &'static str, reason: String },
}

impl MediaError {
    /// Whether the user can mend it by asking differently: a path of theirs that
    /// does not lead to a picture, or to a place where one can be.
    pub fn is_user_mistake(&self) -> bool {
        match self {
            MediaError::Missing { .. }
            | MediaError::NotAFolder { .. }
            | MediaError::EmptyFolder { .. }
            | MediaError::NoClips { .. }
            | MediaError::MixedClips { .. }
            | MediaError::NotAVideo { .. }
            | MediaError::OneFrame { .. }
            | MediaError::Unreadable { .. }
            | MediaError::ZeroSized { .. }
            | MediaError::NotAnImage { .. }
            | MediaError::TooLarge { .. } => true,
            MediaError::Unwritable { source, .. } => is_misplaced(source),
            MediaError::Shape { .. } | MediaError::Encode { .. } => false,
        }
    }
}
