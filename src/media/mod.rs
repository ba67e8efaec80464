//! Pictures: what people see of a run.
//!
//! | file | what it holds |
//! |---|---|
//! | [`rgb8`] | [`Rgb8`], the picture in memory that all others read and make |
//! | [`image_file`] | image files and folders of them, read and fitted to a square |
//! | [`colormap`] | attribution maps, masks and segmentations → colours |
//! | [`text`] | antialiased text in a font that the crate carries |
//! | [`panel`] | labelled rows and columns of pictures |
//! | [`animation`] | pictures in time: GIF |
//! | [`curve`] | learning curves |
//! | [`bars`] | bar charts |
//!
//! Nothing here needs a GPU, a system font or a system library.

pub mod animation;
mod atomic_file;
pub mod bars;
pub mod clips;
pub mod colormap;
pub mod curve;
mod error;
pub mod image_file;
pub mod panel;
pub mod rgb8;
pub mod text;

pub use atomic_file::check_writable;
pub(crate) use atomic_file::write_parts;
pub use error::MediaError;
pub use rgb8::Rgb8;
