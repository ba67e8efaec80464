//! Pictures: curves, panels, animations, image files.

/// What can go wrong here.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MediaError {}

impl MediaError {
    /// Whether the user can mend it by asking differently.
    pub fn is_user_mistake(&self) -> bool {
        match *self {}
    }
}
