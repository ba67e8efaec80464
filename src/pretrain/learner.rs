//! What a masked autoencoder learns with, and one update of it as a program.

use std::path::Path;

use super::config::PretrainConfig;
use crate::Error;
use crate::gpu::{Arena, ArenaLayout, BufferRange, FrameShape, FrameStore, Gpu};
use crate::nn::{Mae, MultiMae, Optimiser, PatchLoss, PixelOrder, Scope, patchify};
use crate::ops::{SampledTokens, Stream, TapeError, UnaryKind, Var};
use crate::pretrained::{self, Architecture, Loaded, WeightsError};
use crate::tape::{DType, Program, Tape};

/// Streams of random numbers.
#[derive(Debug, Clone, Copy)]
enum Randomness {
    Batch,
    Flip,
    Shares,
    Noise,
    TieBreak,
}

/// Images on the device: RGB, and the saliency of each where it is known.
#[derive(Debug, Clone)]
pub struct Pictures {
    rgb: FrameStore,
    /// One plane each.
    saliency: Option<FrameStore>,
    count: usize,
    digest: String,
}

impl Pictures {
    /// Uploads images u8[N, 3, S, S] and, where given, saliency u8[N, S, S].
    ///
    /// # Errors
    /// [`GpuError::FramesDoNotFit`](crate::gpu::GpuError) where memory does not hold them.
    pub fn new(
        gpu: &Gpu,
        side: usize,
        rgb: &[u8],
        saliency: Option<&[u8]>,
    ) -> Result<Pictures, Error> {
        let plane = side * side;
        let count = rgb.len() / (3 * plane);
        let upload = |planes, bytes: &[u8]| -> Result<FrameStore, Error> {
            let store = FrameStore::new(gpu, count, FrameShape { planes, side })?;
            for (slot, frame) in bytes.chunks_exact(planes * plane).enumerate() {
                gpu.write(&store.slot(slot), frame)?;
            }
            Ok(store)
        };
        let digest = crc32c::crc32c_append(crc32c::crc32c(rgb), saliency.unwrap_or_default());
        Ok(Pictures {
            rgb: upload(3, rgb)?,
            saliency: saliency.map(|maps| upload(1, maps)).transpose()?,
            count,
            digest: format!("{digest:08x}"),
        })
    }

    /// Eight hexadecimal digits that differ between other pictures, or the same in another
    /// order.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Whether saliency is known.
    pub fn has_saliency(&self) -> bool {
        self.saliency.is_some()
    }

    /// The images of `slots` u32[B, 1] in 0..255, one tensor [B, C, S, S] for each modality.
    /// Samples for which `mirrored` is not 0 are mirrored.
    pub(super) fn images(
        &self,
        slots: &Var,
        mirrored: Option<&Var>,
    ) -> Result<Vec<Var>, TapeError> {
        let flip = |image: Var| match mirrored {
            Some(mirrored) => image.flip(mirrored),
            None => Ok(image),
        };
        let mut images = vec![flip(slots.stack_frames(&self.rgb, None)?)?];
        if let Some(store) = &self.saliency {
            images.push(flip(slots.stack_frames(store, None)?)?);
        }
        Ok(images)
    }

    /// The same, RGB normalised and saliency in 0..1.
    pub(super) fn normalised(
        &self,
        tape: &Tape,
        slots: &Var,
        mirrored: Option<&Var>,
    ) -> Result<Vec<Var>, TapeError> {
        let mut images = self.images(slots, mirrored)?;
        images[0] = MultiMae::normalise_rgb(tape, &images[0])?;
        for map in &mut images[1..] {
            *map = MultiMae::normalise_saliency(map)?;
        }
        Ok(images)
    }
}

/// Restored patches of each decoder, the target beside each, and errors.
pub(super) struct Restored {
    /// Name, prediction and target of each decoder, patches [B, N, L] in one order.
    pub tasks: Vec<(String, Var, Var)>,
    /// Of each decoder where there are several, unweighted.
    pub losses: Vec<(String, Var)>,
    pub loss: Var,
}

/// Parameters, optimiser and the count of updates.
#[derive(Debug, Clone)]
pub struct PretrainLearner {
    config: PretrainConfig,
    network: Architecture,
    parameters: Arena,
    optimiser: Optimiser,
    /// `counter.update`, u32[1].
    counter: Arena,
}

impl PretrainLearner {
    /// Allocates and initialises.
    ///
    /// # Errors
    /// Those of allocating; [`ConfigError`](crate::config::ConfigError) for more visible
    /// patches than there are.
    pub fn new(
        gpu: &Gpu,
        config: &PretrainConfig,
        saliency: bool,
    ) -> Result<PretrainLearner, Error> {
        let network = config.architecture(saliency);
        let layout = network.layout();
        config.check_visible(saliency)?;
        let mut counter = ArenaLayout::default();
        counter.push("counter.update", &[1]);
        Ok(PretrainLearner {
            config: config.clone(),
            network,
            parameters: layout.allocate(gpu, "parameters", config.seed)?,
            optimiser: Optimiser::new(
                gpu,
                "optimizer",
                &layout,
                0..layout.mark(),
                config.optimiser(),
            )?,
            counter: Arena::new(gpu, "counter", counter)?,
        })
    }

    /// Everything that training changes: (name, shape, type, place).
    pub fn tensors(&self) -> Vec<(String, Vec<usize>, DType, BufferRange)> {
        let arenas = [&self.parameters, &self.counter].into_iter();
        arenas
            .chain(self.optimiser.arenas())
            .flat_map(|arena| {
                arena.layout().entries().iter().map(|e| {
                    let counts = e.name.starts_with("counter.") || e.name.ends_with(".time");
                    let dtype = if counts { DType::U32 } else { DType::F32 };
                    (
                        e.name.clone(),
                        e.shape.clone(),
                        dtype,
                        arena.slice(e.range()),
                    )
                })
            })
            .collect()
    }

    /// Begins with a file's weights instead of random ones: those of the whole model, or of
    /// the encoder alone.
    ///
    /// # Errors
    /// [`WeightsError`] where the file does not fit the configuration.
    pub fn load_weights(&self, gpu: &Gpu, path: &Path) -> Result<Loaded, WeightsError> {
        pretrained::load(gpu, path, &self.network, &self.parameters)
    }

    /// Writes the whole model into a file for others to use.
    ///
    /// # Errors
    /// Those of reading back and of writing.
    pub fn save_weights(&self, gpu: &Gpu, path: &Path) -> Result<(), WeightsError> {
        pretrained::save(gpu, path, &self.network, &self.parameters)
    }

    /// What decides the run.
    pub fn config(&self) -> &PretrainConfig {
        &self.config
    }

    /// In which order the pixels of restored patches lie.
    pub(super) fn pixel_order(&self) -> PixelOrder {
        match self.network {
            Architecture::Mae(_) => PixelOrder::ChannelsLast,
            Architecture::MultiMae(_) => PixelOrder::ChannelsFirst,
        }
    }

    /// Kinds of images that the encoder sees.
    pub(super) fn modalities(&self) -> usize {
        match &self.network {
            Architecture::Mae(_) => 1,
            Architecture::MultiMae(shape) => shape.modalities.len(),
        }
    }

    /// Whether the encoder sees saliency.
    pub fn sees_saliency(&self) -> bool {
        self.modalities() > 1
    }

    /// Patches of one image.
    pub(super) fn patches(&self) -> usize {
        (self.config.image_size / self.config.patch).pow(2)
    }

    /// Parameters of the networks.
    pub fn parameter_count(&self) -> usize {
        let entries = self.parameters.layout().entries().iter();
        entries.map(|e| e.len()).sum()
    }

    /// One update: draw samples and masks, restore, one step of AdamW. Watches the losses.
    ///
    /// # Errors
    /// Those of compiling.
    pub fn compile_update(&self, gpu: &Gpu, pictures: &Pictures) -> Result<Program, Error> {
        let (tape, config) = (Tape::new(), &self.config);
        let step = tape.state_range(&self.counter, 0..1, DType::U32);
        let count = u32::try_from(pictures.count()).unwrap_or(u32::MAX);
        let slots =
            step.philox_integers(self.stream(Randomness::Batch), &[config.batch, 1], count)?;
        let mirrored = match config.flip {
            true => {
                Some(step.philox_integers(self.stream(Randomness::Flip), &[config.batch], 2)?)
            }
            false => None,
        };
        let images = pictures.normalised(&tape, &slots, mirrored.as_ref())?;
        let sample = self.sample(&step, config.batch)?;
        let restored = self.restore(&tape, &images, &sample)?;
        let scaled = match config.loss_scale() {
            1.0 => restored.loss.clone(),
            scale => restored.loss.scale(scale)?,
        };
        self.optimiser.step(&tape, &self.parameters, &scaled)?;
        for (name, loss) in &restored.losses {
            tape.watch(name, loss)?;
        }
        tape.watch("loss", &restored.loss)?;
        step.tick()?;
        Ok(tape.compile(gpu)?)
    }

    /// Draws the visible patches of a batch.
    pub(super) fn sample(&self, step: &Var, batch: usize) -> Result<SampledTokens, TapeError> {
        let keep = self.config.num_encoded_tokens;
        let uniform = |randomness, shape: &[usize]| {
            step.philox_uniform(self.stream(randomness), shape, 0.0, 1.0)
        };
        match &self.network {
            Architecture::Mae(shape) => {
                uniform(Randomness::Noise, &[batch, shape.patches()])?.keep_least(keep)
            }
            Architecture::MultiMae(shape) => {
                let tokens = vec![shape.patches(); shape.modalities.len()];
                let all = [batch, shape.tokens()];
                // Dirichlet with α = 1: exponentials over their sum. 1 − u is never 0.
                let draws = uniform(Randomness::Shares, &[batch, tokens.len()])?;
                let logs = draws.affine(-1.0, 1.0)?.unary(UnaryKind::Log)?;
                let logs = logs.affine(1.0, -LEAST_EXPONENTIAL)?;
                let shares = logs.div(&logs.sum(1..2)?)?;
                uniform(Randomness::Noise, &all)?.sample_tokens(
                    &shares,
                    &uniform(Randomness::TieBreak, &all)?,
                    &tokens,
                    keep,
                )
            }
        }
    }

    /// Restores images, one tensor [B, C, S, S] for each modality, from what is visible.
    pub(super) fn restore(
        &self,
        tape: &Tape,
        images: &[Var],
        sample: &SampledTokens,
    ) -> Result<Restored, TapeError> {
        let scope = Scope::new(tape, &self.parameters, "");
        match &self.network {
            Architecture::Mae(shape) => {
                let image = &images[0];
                let encoded = Mae::encode(tape, &scope, image, Some(sample), shape)?;
                let prediction = Mae::decode(tape, &scope, &encoded, sample, shape)?;
                let kind = match self.config.norm_pix_loss {
                    true => PatchLoss::SquaredOfNormalised,
                    false => PatchLoss::Squared,
                };
                let loss = Mae::loss(&prediction, image, sample, shape, kind)?;
                let target = patchify(image, shape.patch, PixelOrder::ChannelsLast)?;
                Ok(Restored {
                    tasks: vec![("rgb".to_string(), prediction, target)],
                    losses: vec![],
                    loss,
                })
            }
            Architecture::MultiMae(shape) => {
                let mut patches = vec![];
                for image in images {
                    patches.push(patchify(image, shape.patch, PixelOrder::ChannelsFirst)?);
                }
                let model = MultiMae::reconstruct(tape, &scope, &patches, sample, shape)?;
                let names = || shape.tasks.iter().map(|task| task.name.clone());
                let targets = shape
                    .tasks
                    .iter()
                    .map(|task| patches[task.modality].clone());
                Ok(Restored {
                    tasks: (names().zip(model.patches).zip(targets))
                        .map(|((name, patches), target)| (name, patches, target))
                        .collect(),
                    losses: names()
                        .map(|name| format!("loss_{name}"))
                        .zip(model.losses)
                        .collect(),
                    loss: model.loss,
                })
            }
        }
    }

    fn stream(&self, randomness: Randomness) -> Stream {
        Stream {
            seed: self.config.seed,
            stream: randomness as u32,
        }
    }
}

/// Keeps shares from 0 / 0 where every draw is 0.
const LEAST_EXPONENTIAL: f32 = 1e-9;
