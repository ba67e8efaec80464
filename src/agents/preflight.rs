//! What a run will need only later, looked at before it begins.

use crate::Error;
use crate::config::Config;
use crate::media::{clips, image_file};

/// Whether the folders that a configuration names are there and hold what they should:
/// backgrounds, which only evaluations show, and overlays.
///
/// # Errors
/// Those of [`clips::list_clips`] and [`image_file::list`].
pub fn check_folders(config: &Config) -> Result<(), Error> {
    if let Some(folder) = &config.backgrounds {
        clips::list_clips(folder)?;
    }
    if let (Some(folder), true) = (&config.overlays, config.overlays_pictures()) {
        image_file::list(folder)?;
    }
    Ok(())
}
