//! How well a pretrained model restores images that it was not trained on.

use super::learner::{Pictures, PretrainLearner};
use super::reconstructor::{Reconstructor, Visible};
use crate::Error;
use crate::gpu::Gpu;

/// Images that errors are measured on at a time.
const AT_ONCE: usize = 32;

/// Mean squared errors of hidden RGB patches, in normalised RGB; none where all RGB is
/// visible.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Errors {
    /// Behind masks as in training.
    pub masked: Option<f64>,
    /// What saliency is worth to RGB, where the model sees both.
    pub cross_modal: Option<CrossModal>,
}

/// The same RGB patches of the same images, restored without saliency and with it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CrossModal {
    /// Visible patches of RGB.
    pub patches: usize,
    /// Error where nothing else is visible.
    pub without_saliency: f64,
    /// Error where all of the saliency is visible too.
    pub with_saliency: f64,
}

/// Visible patches of RGB where saliency is all there or not at all: as many as it has in
/// training when both have the same share.
pub fn cross_modal_patches(learner: &PretrainLearner) -> usize {
    // One at least is hidden, or there is no error.
    let most = learner.patches().saturating_sub(1).max(1);
    (learner.config().num_encoded_tokens / 2).clamp(1, most)
}

/// Measures a model on all of `pictures`, but for a rest that fills no batch.
///
/// # Errors
/// Those of the device.
pub fn measure(gpu: &Gpu, learner: &PretrainLearner, pictures: &Pictures) -> Result<Errors, Error> {
    let all: Vec<u32> = (0..pictures.count() as u32).collect();
    let error = |visible| -> Result<Option<f64>, Error> {
        let batch = AT_ONCE.min(all.len());
        Reconstructor::new(gpu, learner, pictures, batch, visible)?.mean_rgb_error(&all)
    };
    let cross_modal = match learner.sees_saliency() {
        true => {
            let patches = cross_modal_patches(learner);
            let of = |saliency| error(Visible::Rgb { patches, saliency });
            (of(false)?.zip(of(true)?)).map(|(without_saliency, with_saliency)| CrossModal {
                patches,
                without_saliency,
                with_saliency,
            })
        }
        false => None,
    };
    Ok(Errors {
        masked: error(Visible::Sampled)?,
        cross_modal,
    })
}
