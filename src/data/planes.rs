//! Images of one size, channel by channel.

use std::path::PathBuf;

/// Whether images are read or maps that belong to images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Frames,
    Saliency,
}

impl Role {
    /// For messages.
    pub fn plural(self) -> &'static str {
        match self {
            Role::Frames => "images",
            Role::Saliency => "saliency maps",
        }
    }
}

/// `count` images, u8[count, channels, height, width].
#[derive(Debug)]
pub(super) struct Planes {
    /// The file or folder that they are from.
    pub path: PathBuf,
    pub count: usize,
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    pub bytes: Vec<u8>,
}
