//! Features of images: the embedding of a pretrained encoder, and plain ones to compare
//! it with.

use super::images;
use super::learner::Pictures;
use crate::Error;
use crate::data::ImageSet;
use crate::gpu::Gpu;
use crate::pretrained::PretrainedEncoder;
use crate::tape::{Tape, Tensor};

/// Images that are embedded at a time.
const BATCH: usize = 32;

/// Numbers of every image of a set, f32[N, width].
#[derive(Debug, Clone, PartialEq)]
pub struct Features {
    pub width: usize,
    pub values: Vec<f32>,
}

/// The embeddings of all `images`, squares of the encoder's size, from RGB alone or from
/// their `saliency` too; `watch` is told how many are done.
///
/// # Errors
/// Those of the device; [`TapeError`](crate::tape::TapeError) for images or saliency that
/// the encoder does not take.
pub fn embeddings(
    gpu: &Gpu,
    encoder: &PretrainedEncoder,
    images: &ImageSet,
    saliency: bool,
    watch: &mut dyn FnMut(usize),
) -> Result<Features, Error> {
    let maps = images.saliency_pixels().filter(|_| saliency);
    let pictures = Pictures::new(gpu, images.width(), &images::rgb(images), maps)?;
    let count = pictures.count();
    let batch = BATCH.min(count);
    let tape = Tape::new();
    let slots = tape.input("slots", Tensor::u32(&[batch, 1]));
    let embedding = encoder.embedding(&tape, &pictures.images(&slots, None)?)?;
    let width = embedding.shape()[1];
    tape.output("embedding", &embedding);
    let program = tape.compile(gpu)?;
    let mut values = Vec::with_capacity(count * width);
    for start in (0..count).step_by(batch) {
        // The last batch begins earlier, so that it is whole; what it repeats is cut off.
        let first = start.min(count - batch);
        let slots: Vec<u32> = (first..first + batch).map(|i| i as u32).collect();
        program.write("slots", &slots)?;
        program.run()?;
        let rows = program.read_blocking::<f32>("embedding")?;
        values.extend(&rows[(start - first) * width..]);
        watch(values.len() / width);
    }
    Ok(Features { width, values })
}

/// The mean of each channel over the image, in 0..255, and that of the saliency map behind
/// them if asked for (and known).
pub fn mean_colour(images: &ImageSet, saliency: bool) -> Features {
    shrunk(images, 1, saliency)
}

/// Images shrunk to `side`×`side` by averaging, channel by channel, in 0..255, with the
/// saliency map behind them if asked for (and known). An image that is smaller keeps its
/// size.
pub fn shrunk(images: &ImageSet, side: usize, saliency: bool) -> Features {
    let [height, width] = [images.height(), images.width()];
    let (rows, columns) = (side.min(height), side.min(width));
    let shrink = |plane: &[u8]| -> Vec<f32> {
        let mut cells = Vec::with_capacity(rows * columns);
        for r in 0..rows {
            for c in 0..columns {
                let (top, bottom) = (r * height / rows, (r + 1) * height / rows);
                let (left, right) = (c * width / columns, (c + 1) * width / columns);
                let lines = (top..bottom).map(|y| &plane[y * width..][left..right]);
                let sum: u32 = lines.flatten().map(|&v| u32::from(v)).sum();
                cells.push(sum as f32 / ((bottom - top) * (right - left)) as f32);
            }
        }
        cells
    };
    let mut values = vec![];
    for i in 0..images.count() {
        let map = images.saliency(i).filter(|_| saliency);
        let image = images.image(i).unwrap_or_default();
        let planes = image.chunks_exact(height * width).chain(map);
        values.extend(planes.flat_map(shrink));
    }
    Features {
        width: values.len() / images.count(),
        values,
    }
}
