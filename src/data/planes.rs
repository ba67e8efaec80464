//! Images of one size, channel by channel.

use std::fmt;
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
pub(super) struct Planes {
    /// The file or folder that they are from.
    pub path: PathBuf,
    pub count: usize,
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    pub bytes: Vec<u8>,
}

impl fmt::Debug for Planes {
    /// Without the pixels.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shape = [self.count, self.channels, self.height, self.width];
        write!(f, "{shape:?} of '{}'", self.path.display())
    }
}
