//! How an agent sees: which planes a frame has, what is kept of it, and what the
//! networks get (SPEC.md B.7, B.8).

use std::path::Path;
use std::sync::Arc;

use super::latents::LatentStore;
use super::observations::{Observations, ObservedShape};
use crate::Error;
use crate::config::{Config, ConfigError, EncoderKind, Inputs, SaliencyScale};
use crate::envs::Environment;
use crate::gpu::{FrameShape, FrameStore, Gpu};
use crate::ops::{Framing, TapeError, Tensor, Var};
use crate::pretrained::{EncoderOptions, PretrainedEncoder};
use crate::run::RunDirectory;
use crate::tape::{Program, Tape};

/// Planes of a frame before its saliency.
const RGB: usize = 3;

/// What an agent sees of the frames of its environment.
#[derive(Debug, Clone)]
pub struct Eye {
    inputs: Inputs,
    scale: SaliencyScale,
    /// Side of what the networks see.
    side: usize,
    /// Side of a frame as it is drawn and kept; no smaller.
    drawn: usize,
    frame_stack: usize,
    encoder: Option<Arc<PretrainedEncoder>>,
}

impl Eye {
    /// A CNN's, with what `config` has it see.
    pub fn cnn(config: &Config) -> Eye {
        Eye {
            inputs: config.inputs,
            scale: config.saliency_scale,
            side: config.image_size,
            drawn: config.rendered_size(),
            frame_stack: config.frame_stack,
            encoder: None,
        }
    }

    /// That of a pretrained encoder.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] for an encoder of another kind, another image size or
    /// without saliency where the configuration has it.
    pub fn frozen(config: &Config, encoder: PretrainedEncoder) -> Result<Eye, ConfigError> {
        check(config, &encoder)?;
        Ok(Eye {
            encoder: Some(Arc::new(encoder)),
            ..Eye::cnn(config)
        })
    }

    /// What `config` says; a pretrained encoder is read from where it says.
    ///
    /// # Errors
    /// Those of [`Eye::frozen`] and of reading.
    pub fn open(gpu: &Gpu, config: &Config) -> Result<Eye, Error> {
        match config.encoder.weights() {
            Some(path) => Eye::read(gpu, config, path),
            None => Ok(Eye::cnn(config)),
        }
    }

    fn read(gpu: &Gpu, config: &Config, path: &Path) -> Result<Eye, Error> {
        let options = EncoderOptions {
            heads: config.encoder_heads,
            image_size: Some(config.image_size),
        };
        let encoder = PretrainedEncoder::open_with(gpu, path, &options)?;
        Ok(Eye::frozen(config, encoder)?)
    }

    /// [`Eye::open`] for a run that begins or goes on. It keeps a copy of its pretrained
    /// encoder: what became of the original no longer matters.
    ///
    /// # Errors
    /// Those of [`Eye::frozen`], of reading and of writing.
    pub fn of_run(gpu: &Gpu, config: &Config, directory: &RunDirectory) -> Result<Eye, Error> {
        if config.encoder == EncoderKind::Cnn || directory.encoder().exists() {
            return Eye::kept(gpu, config, directory);
        }
        let eye = Eye::open(gpu, config)?;
        if let Some(encoder) = eye.encoder() {
            encoder.save(gpu, &directory.encoder())?;
        }
        Ok(eye)
    }

    /// [`Eye::open`] for a run that is there, from its copy; nothing is written.
    ///
    /// # Errors
    /// [`Error::NoCheckpoint`] where there is no copy: there is no checkpoint before it.
    pub fn kept(gpu: &Gpu, config: &Config, directory: &RunDirectory) -> Result<Eye, Error> {
        let copy = directory.encoder();
        match (&config.encoder, copy.exists()) {
            (EncoderKind::Cnn, _) => Ok(Eye::cnn(config)),
            (_, true) => Eye::read(gpu, config, &copy),
            (_, false) => Err(Error::NoCheckpoint {
                run: directory.root().to_path_buf(),
            }),
        }
    }

    /// What environments have to draw: RGB, or RGB and saliency.
    pub fn frame(&self) -> FrameShape {
        match self.inputs {
            Inputs::Rgb => FrameShape::rgb(self.drawn),
            _ => FrameShape::rgb_and_saliency(self.drawn),
        }
    }

    /// The frozen encoder, where there is one.
    pub fn encoder(&self) -> Option<&PretrainedEncoder> {
        self.encoder.as_deref()
    }

    /// Components of a frozen encoder's embedding.
    pub fn latent(&self) -> Option<usize> {
        self.encoder().map(PretrainedEncoder::width)
    }

    /// What is kept of a frame.
    pub fn observed(&self) -> ObservedShape {
        match self.latent() {
            Some(width) => ObservedShape::Latent { width },
            None => ObservedShape::Pixels(self.frame()),
        }
    }

    /// Planes of a frame that a CNN sees.
    pub fn planes(&self) -> usize {
        match self.inputs {
            Inputs::Rgbs => RGB + 1,
            _ => RGB,
        }
    }

    /// What the networks get of the moments in `slots` u32[B, F]: pixels framed as asked
    /// for (the middle: whatever acts, is evaluated or explained), f32[B, planes·F, S, S] in
    /// 0..255, or embeddings, see [`Observations::stack`].
    ///
    /// # Errors
    /// A store that keeps something else.
    pub fn see(
        &self,
        tape: &Tape,
        slots: &Var,
        store: &Observations,
        framing: Framing,
    ) -> Result<Var, TapeError> {
        let stack = store.stack(tape, slots, self.side, framing)?;
        match store {
            Observations::Latents(_) => Ok(stack),
            Observations::Pixels(_) => self.select(&stack),
        }
    }

    /// Planes as they are kept, [B, C·F, S, S] → as a CNN sees them, [B, planes·F, S, S].
    fn select(&self, stack: &Var) -> Result<Var, TapeError> {
        if self.inputs == Inputs::Rgb {
            return Ok(stack.clone());
        }
        let (stacks, side) = (stack.shape()[0], self.side);
        let frames = stack.reshape(&[stacks * self.frame_stack, RGB + 1, side, side])?;
        let rgb = frames.slice(1, 0..RGB)?;
        let saliency = frames.slice(1, RGB..RGB + 1)?;
        let unit = saliency.scale(1.0 / 255.0)?;
        let shown = match self.scale {
            SaliencyScale::Scaled => &saliency,
            SaliencyScale::Faithful => &unit,
        };
        let seen = match self.inputs {
            Inputs::Saliency => shown.broadcast_to(&rgb.shape())?,
            Inputs::RgbTimesSaliency => rgb.mul(&unit)?,
            _ => Var::concat(&[&rgb, shown], 1)?,
        };
        seen.reshape(&[stacks, self.frame_stack * self.planes(), side, side])
    }

    /// What the networks get of frames as environments draw them, f32[B, C·F, S, S] in
    /// 0..255: as [`Eye::see`] has it of a store, embeddings too. Gradients reach the frames,
    /// also through a frozen encoder: to explain what is made of them.
    ///
    /// # Errors
    /// Another shape.
    pub fn look(&self, tape: &Tape, frames: &Var) -> Result<Var, TapeError> {
        let Some(encoder) = self.encoder() else {
            return self.select(frames);
        };
        let stacks = frames.shape()[0];
        let (moments, planes) = (stacks * self.frame_stack, self.frame().planes);
        let frames = frames.reshape(&[moments, planes, self.side, self.side])?;
        let embeddings = encoder.embedding_with_gradient(tape, &self.images(&frames)?)?;
        embeddings.reshape(&[stacks, self.frame_stack * encoder.width()])
    }

    /// What a frozen encoder is given of frames [B, C, S, S].
    fn images(&self, frames: &Var) -> Result<Vec<Var>, TapeError> {
        let mut images = vec![frames.slice(1, 0..RGB)?];
        if self.inputs == Inputs::RgbAndSaliency {
            images.push(frames.slice(1, RGB..RGB + 1)?);
        }
        Ok(images)
    }

    /// The red, green and blue of stacks, [B, C·F, S, S] → [B, 3F, S, S]: what a picture
    /// can show of them, or of anything in their shape.
    ///
    /// # Errors
    /// Another shape.
    pub fn rgb(&self, seen: &Var) -> Result<Var, TapeError> {
        let planes = seen.shape()[1] / self.frame_stack;
        if planes == RGB {
            return Ok(seen.clone());
        }
        let (stacks, side) = (seen.shape()[0], self.side);
        let frames = seen.reshape(&[stacks * self.frame_stack, planes, side, side])?;
        let rgb = frames.slice(1, 0..RGB)?;
        rgb.reshape(&[stacks, self.frame_stack * RGB, side, side])
    }
}

/// Whether an encoder is what a configuration asks for.
fn check(config: &Config, encoder: &PretrainedEncoder) -> Result<(), ConfigError> {
    let wrong = |key, given: String, expected: String| {
        Err(ConfigError::OutOfRange {
            key,
            given,
            expected,
        })
    };
    if let EncoderKind::Pretrained { method, path } = &config.encoder
        && method.name() != encoder.architecture().method()
    {
        let right = format!("{}:{}", encoder.architecture().method(), path.display());
        return wrong("encoder", format!("'{}'", config.encoder), right);
    }
    if config.image_size != encoder.image_size() {
        let right = format!("{}, as the encoder was pretrained", encoder.image_size());
        return wrong("image_size", config.image_size.to_string(), right);
    }
    if config.inputs == Inputs::RgbAndSaliency && encoder.modalities().len() < 2 {
        let right = "rgb: the encoder was pretrained without saliency".to_string();
        return wrong("inputs", config.inputs.to_string(), right);
    }
    Ok(())
}

/// Turns frames into embeddings, a fixed number at a time.
#[derive(Debug)]
pub struct Embedder {
    gpu: Gpu,
    program: Program,
    latents: LatentStore,
}

impl Embedder {
    /// Embeds `count` frames of `frames` at a time into slots of `latents`.
    ///
    /// # Errors
    /// Those of compiling.
    pub fn new(
        gpu: &Gpu,
        eye: &Eye,
        encoder: &PretrainedEncoder,
        frames: &FrameStore,
        latents: &LatentStore,
        count: usize,
    ) -> Result<Embedder, Error> {
        let tape = Tape::new();
        let slots = tape.input("slots", Tensor::u32(&[count, 1]));
        let planes = slots.stack_frames(frames, None)?;
        tape.output(
            "embedding",
            &encoder.embedding(&tape, &eye.images(&planes)?)?,
        );
        Ok(Embedder {
            gpu: gpu.clone(),
            program: tape.compile(gpu)?,
            latents: latents.clone(),
        })
    }

    /// Embeds the frames in slots `from`, each into the slot of `to` at its place;
    /// [`FrameStore::NO_SLOT`]: nowhere. In order with what is submitted later; does not
    /// wait.
    ///
    /// # Errors
    /// Those of the device.
    pub fn run(&self, from: &[u32], to: &[u32]) -> Result<(), Error> {
        let count = self.program.input_range("slots")?.1.len();
        if to.len() != count {
            return Err(TapeError::DataLength {
                name: "slots of embeddings".to_string(),
                expected: count as u64,
                given: to.len() as u64,
            }
            .into());
        }
        self.program.write("slots", from)?;
        let mut encoder = (self.gpu.device()).create_command_encoder(&Default::default());
        self.program.encode(&mut encoder);
        let (rows, _) = self.program.output_range("embedding")?;
        for (row, &slot) in to.iter().enumerate() {
            if slot == FrameStore::NO_SLOT {
                continue;
            }
            let place = self.latents.slot(slot as usize);
            encoder.copy_buffer_to_buffer(
                &rows.buffer,
                rows.offset + row as u64 * place.size,
                &place.buffer,
                place.offset,
                place.size,
            );
        }
        self.gpu.queue().submit([encoder.finish()]);
        Ok(())
    }

    /// The compiled encoder.
    pub fn program(&self) -> &Program {
        &self.program
    }
}

/// Brings what one environment shows into a store of observations.
#[derive(Debug)]
pub struct Retina {
    /// Where the environment draws, where that is not the store itself.
    canvas: FrameStore,
    embedder: Option<Embedder>,
}

impl Retina {
    /// For one environment and `store`, which keeps what `eye` says.
    ///
    /// # Errors
    /// Those of allocating and compiling.
    pub fn new(gpu: &Gpu, eye: &Eye, store: &Observations) -> Result<Retina, Error> {
        match (store, eye.encoder()) {
            (Observations::Latents(latents), Some(encoder)) => {
                let canvas = FrameStore::new(gpu, 1, eye.frame())?;
                let embedder = Embedder::new(gpu, eye, encoder, &canvas, latents, 1)?;
                Ok(Retina {
                    canvas,
                    embedder: Some(embedder),
                })
            }
            (Observations::Pixels(frames), _) => Ok(Retina {
                canvas: frames.clone(),
                embedder: None,
            }),
            (Observations::Latents(_), None) => Err(TapeError::Option {
                op: "observe",
                message: "embeddings are kept, but there is no encoder to make them".to_string(),
            }
            .into()),
        }
    }

    /// Where the environment is to draw.
    pub fn canvas(&self) -> &FrameStore {
        &self.canvas
    }

    /// Puts what the environment shows now into `slot` of the store.
    ///
    /// # Errors
    /// Those of the environment and of the device.
    pub fn observe(&self, env: &mut dyn Environment, slot: u32) -> Result<(), Error> {
        match &self.embedder {
            None => env.observe(&[slot]),
            Some(embedder) => {
                env.observe(&[0])?;
                embedder.run(&[0], &[slot])
            }
        }
    }

    /// The compiled encoder, if there is one.
    pub fn program(&self) -> Option<&Program> {
        self.embedder.as_ref().map(Embedder::program)
    }
}
