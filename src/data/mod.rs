//! Sets of images with saliency maps, as pretraining reads them and `foveate collect`
//! writes them.
//!
//! | file | what it holds |
//! |---|---|
//! | [`image_set`] | [`ImageSet`]: what was read, checked |
//! | [`recording`] | [`Recording`]: what was seen in an environment, to be written |
//! | [`maps`] | [`Maps`]: attribution maps, to be written |
//! | [`states`] | [`States`]: what a recording knows beside its frames |
//! | `folder` | image files, and which map belongs to which image |
//! | `array`, `npy` | arrays of safetensors and NumPy files |
//! | `tensors` | files of tensors, written whole or not at all |
//! | `planes` | images of one size, channel by channel: what both become |
//!
//! Nothing here needs a GPU.

mod array;
mod error;
mod folder;
pub mod image_set;
pub mod maps;
mod npy;
mod planes;
pub mod recording;
pub mod states;
mod tensors;

pub use error::DataError;
pub use image_set::ImageSet;
pub use maps::{Explained, Maps};
pub use recording::{Moment, Recording};
pub use states::States;

/// The tensor of images in a safetensors file.
const FRAMES: &str = "frames";
/// The tensor of saliency maps.
const SALIENCY: &str = "saliency";
