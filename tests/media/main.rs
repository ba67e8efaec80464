//! Pictures: one file of tests per file of `src/media`.

mod animation;
mod bars;
mod clips;
mod colormap;
mod curve;
mod image_file;
mod panel;
mod rgb8;
#[path = "../common/skip.rs"]
mod skip;
mod text;

use foveate::media::Rgb8;

/// Every pixel differs from its neighbours.
pub fn gradient(width: usize, height: usize) -> Rgb8 {
    let data = (0..width * height)
        .flat_map(|i| [(i % width) as u8, (i / width) as u8, (i * 7) as u8])
        .collect();
    Rgb8::new(width, height, data).unwrap()
}
