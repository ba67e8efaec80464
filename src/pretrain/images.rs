//! The images of a run: which train and which measure.

use super::config::PretrainConfig;
use super::learner::Pictures;
use crate::Error;
use crate::config::ConfigError;
use crate::data::ImageSet;
use crate::gpu::Gpu;
use crate::nn::MultiMae;

/// Images in RGB with their saliency, as bytes.
#[derive(Debug)]
pub struct Images {
    side: usize,
    /// u8[N, 3, S, S]
    rgb: Vec<u8>,
    /// u8[N, S, S]
    saliency: Option<Vec<u8>>,
    /// How many of them train; the others come after.
    training: usize,
}

/// The images on the device.
#[derive(Debug)]
pub struct UploadedImages {
    pub training: Pictures,
    /// Those that training does not see; all where there are too few to keep one.
    pub validation: Pictures,
}

impl Images {
    /// Takes images of the configuration's size; grey ones become RGB.
    ///
    /// # Errors
    /// [`DataError::Patch`](crate::data::DataError::Patch); [`ConfigError::Invalid`] for
    /// images of another size.
    pub fn new(set: &ImageSet, config: &PretrainConfig) -> Result<Images, Error> {
        set.check_patch(config.patch)?;
        let side = config.image_size;
        if [set.height(), set.width()] != [side, side] {
            return Err(Error::Config(ConfigError::Invalid(format!(
                "the images are {}×{} and image_size is {side}: give images of {side}×{side}, or --set image_size={} if they are square",
                set.height(),
                set.width(),
                set.height(),
            ))));
        }
        let kept = (config.validation * set.count() as f64).round() as usize;
        Ok(Images {
            side,
            rgb: rgb(set),
            saliency: set.saliency_pixels().map(<[u8]>::to_vec),
            training: set.count() - kept.min(set.count() - 1),
        })
    }

    /// Whether saliency is known.
    pub fn has_saliency(&self) -> bool {
        self.saliency.is_some()
    }

    /// How many are kept from training to measure errors on.
    pub fn kept(&self) -> usize {
        self.count() - self.training
    }

    /// Uploads them.
    ///
    /// # Errors
    /// Where memory does not hold them.
    pub fn upload(&self, gpu: &Gpu) -> Result<UploadedImages, Error> {
        let count = self.count();
        let validation = match self.kept() {
            0 => 0..count,
            _ => self.training..count,
        };
        Ok(UploadedImages {
            training: self.part(gpu, 0..self.training)?,
            validation: self.part(gpu, validation)?,
        })
    }

    fn count(&self) -> usize {
        self.rgb.len() / (3 * self.side * self.side)
    }

    fn part(&self, gpu: &Gpu, range: std::ops::Range<usize>) -> Result<Pictures, Error> {
        let plane = self.side * self.side;
        let maps = self.saliency.as_ref();
        let maps = maps.map(|maps| &maps[range.start * plane..range.end * plane]);
        let rgb = &self.rgb[range.start * 3 * plane..range.end * 3 * plane];
        Pictures::new(gpu, self.side, rgb, maps)
    }

    /// Mean squared error, in normalised RGB, of the training images' mean as a prediction
    /// of every other image (of all where none was kept).
    pub fn mean_image_error(&self) -> f64 {
        let len = 3 * self.side * self.side;
        let mut mean = vec![0.0f64; len];
        for image in self.rgb[..self.training * len].chunks_exact(len) {
            for (sum, value) in mean.iter_mut().zip(MultiMae::normalise_bytes(image)) {
                *sum += f64::from(value);
            }
        }
        mean.iter_mut().for_each(|sum| *sum /= self.training as f64);
        let mut kept = &self.rgb[self.training * len..];
        if kept.is_empty() {
            kept = &self.rgb;
        }
        let mut error = 0.0;
        for image in kept.chunks_exact(len) {
            for (mean, value) in mean.iter().zip(MultiMae::normalise_bytes(image)) {
                error += (f64::from(value) - mean).powi(2);
            }
        }
        error / kept.len() as f64
    }
}

/// Images in RGB, u8[N, 3, H, W].
pub(super) fn rgb(set: &ImageSet) -> Vec<u8> {
    let planes = set.pixels().chunks_exact(set.height() * set.width());
    match set.channels() {
        1 => planes.flat_map(|plane| plane.repeat(3)).collect(),
        _ => set.pixels().to_vec(),
    }
}
