//! What a pretrained model makes of given images behind given masks.

use super::learner::{Pictures, PretrainLearner};
use crate::Error;
use crate::gpu::Gpu;
use crate::nn::unpatchify;
use crate::ops::{SampledTokens, Stream, TapeError, Var};
use crate::tape::{Program, Tape, Tensor};

/// Stream of the noise behind masks that are not training's.
const MASKS: u32 = 0x3A5C;

/// Which patches are visible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visible {
    /// Drawn as in training.
    Sampled,
    /// So many of RGB, at random, and none or all of the saliency.
    Rgb { patches: usize, saliency: bool },
}

/// A batch of images, how it was masked and what was restored.
#[derive(Debug, Clone)]
pub struct Restoration {
    /// Images as the model sees them, f32[B, C, S, S] of each modality.
    pub images: Vec<Vec<f32>>,
    /// For each decoder its name and f32[B, C, S, S].
    pub restored: Vec<(String, Vec<f32>)>,
    /// f32[B, T]: 1 where a patch is hidden.
    pub masked: Vec<f32>,
    /// Mean squared error of RGB over its hidden patches; none where all are visible.
    pub rgb_error: Option<f64>,
    /// Hidden patches of RGB.
    pub rgb_hidden: usize,
}

/// A compiled model for batches of one size.
#[derive(Debug)]
pub struct Reconstructor {
    program: Program,
    names: Vec<String>,
    modalities: usize,
}

impl Reconstructor {
    /// Compiles the model for `batch` images of `pictures`.
    ///
    /// # Errors
    /// Those of compiling; [`TapeError::Option`] for saliency where there is none.
    pub fn new(
        gpu: &Gpu,
        learner: &PretrainLearner,
        pictures: &Pictures,
        batch: usize,
        visible: Visible,
    ) -> Result<Reconstructor, Error> {
        let tape = Tape::new();
        let slots = tape.input("slots", Tensor::u32(&[batch, 1]));
        let step = tape.input("step", Tensor::u32(&[1]));
        let mut images = pictures.normalised(&tape, &slots, None)?;
        images.truncate(learner.modalities());
        let sample = match visible {
            Visible::Sampled => learner.sample(&step, batch)?,
            Visible::Rgb { patches, saliency } => {
                chosen(&tape, &step, learner, [batch, patches], saliency)?
            }
        };
        let restored = learner.restore(&tape, &images, &sample)?;
        let config = learner.config();
        let side = config.image_size / config.patch;
        let picture = |patches: &Var, order| unpatchify(patches, [side; 2], config.patch, order);
        for (i, image) in images.iter().enumerate() {
            tape.output(&format!("image {i}"), image);
        }
        let mut names = vec![];
        for (name, prediction, _) in &restored.tasks {
            let whole = picture(prediction, learner.pixel_order())?;
            tape.output(&format!("restored {name}"), &whole);
            names.push(name.clone());
        }
        tape.output("masked", &sample.masked);
        let [error, hidden] = hidden_error(learner, &restored.tasks, &sample)?;
        tape.output("rgb_error", &error);
        tape.output("rgb_hidden", &hidden);
        Ok(Reconstructor {
            program: tape.compile(gpu)?,
            names,
            modalities: images.len(),
        })
    }

    /// Restores the images of these slots behind the masks of a number: as many slots as
    /// the batch has.
    ///
    /// # Errors
    /// Those of the device.
    pub fn run(&self, slots: &[u32], masks: u32) -> Result<Restoration, Error> {
        self.program.write("slots", slots)?;
        self.program.write("step", &[masks])?;
        self.program.run()?;
        let read = |name: &str| self.program.read_blocking::<f32>(name);
        let (error, hidden) = (read("rgb_error")?[0], read("rgb_hidden")?[0]);
        let rgb_error = (hidden > 0.0).then(|| f64::from(error) / f64::from(hidden));
        Ok(Restoration {
            images: (0..self.modalities)
                .map(|i| read(&format!("image {i}")))
                .collect::<Result<_, _>>()?,
            restored: (self.names.iter())
                .map(|name| Ok((name.clone(), read(&format!("restored {name}"))?)))
                .collect::<Result<_, TapeError>>()?,
            masked: read("masked")?,
            rgb_error,
            rgb_hidden: hidden as usize,
        })
    }

    /// Mean squared error of RGB over its hidden patches in all batches of `slots`, masks
    /// differing; none where none is hidden.
    ///
    /// # Errors
    /// Those of the device.
    pub fn mean_rgb_error(&self, slots: &[u32]) -> Result<Option<f64>, Error> {
        let batch = self.program.input_range("slots")?.1.len();
        let (mut sum, mut hidden) = (0.0, 0.0);
        for (i, batch) in slots.chunks_exact(batch).enumerate() {
            let one = self.run(batch, i as u32)?;
            sum += one.rgb_error.unwrap_or(0.0) * one.rgb_hidden as f64;
            hidden += one.rgb_hidden as f64;
        }
        Ok((hidden > 0.0).then(|| sum / hidden))
    }
}

/// `patches` of RGB at random, and all or none of the rest.
fn chosen(
    tape: &Tape,
    step: &Var,
    learner: &PretrainLearner,
    [batch, patches]: [usize; 2],
    saliency: bool,
) -> Result<SampledTokens, TapeError> {
    let each = learner.patches();
    let stream = Stream {
        seed: learner.config().seed,
        stream: MASKS,
    };
    let noise = step.philox_uniform(stream, &[batch, each], 0.0, 1.0)?;
    if learner.modalities() == 1 {
        return noise.keep_least(patches);
    }
    // Before all others, or behind.
    let (key, keep) = match saliency {
        true => (-1.0, patches + each),
        false => (2.0, patches),
    };
    let others = tape.full(&[batch, each], key);
    Var::concat(&[&noise, &others], 1)?.keep_least(keep)
}

/// The RGB decoder's mean squared errors of hidden patches, summed, and how many these are,
/// \[1\] each: there may be none.
fn hidden_error(
    learner: &PretrainLearner,
    tasks: &[(String, Var, Var)],
    sample: &SampledTokens,
) -> Result<[Var; 2], TapeError> {
    let masked = sample.masked.slice(1, 0..learner.patches())?;
    let (_, prediction, target) = &tasks[0];
    let error = prediction.sub(target)?;
    let each = error.mul(&error)?.mean(2..3)?.reshape(&masked.shape())?;
    Ok([each.mul(&masked)?.sum_all()?, masked.sum_all()?])
}
