//! An encoder from a file, frozen.

use std::ops::Range;
use std::path::Path;

use super::file::WeightsFile;
use super::recognise::{EncoderOptions, recognise};
use super::{Architecture, WeightsError, fit};
use crate::gpu::{Arena, Gpu};
use crate::nn::{Mae, Modality, MultiMae, MultiMaeShape, PixelOrder, Scope, patchify};
use crate::ops::{TapeError, Var};
use crate::tape::Tape;

/// The encoder of an MAE or a MultiMAE. No gradient reaches its parameters, nor its images
/// but by [`PretrainedEncoder::embedding_with_gradient`].
#[derive(Debug, Clone)]
pub struct PretrainedEncoder {
    network: Architecture,
    modalities: Vec<Modality>,
    parameters: Arena,
    unused: Vec<String>,
}

impl PretrainedEncoder {
    /// Reads the encoder in a `.safetensors` file, or in the `weights.safetensors` of a
    /// pretraining run's directory.
    ///
    /// # Errors
    /// [`WeightsError`]: what is wrong with the file, with every tensor that is missing,
    /// unexpected or misshapen.
    pub fn open(gpu: &Gpu, path: &Path) -> Result<PretrainedEncoder, WeightsError> {
        PretrainedEncoder::open_with(gpu, path, &EncoderOptions::default())
    }

    /// [`PretrainedEncoder::open`] with what the file may not tell.
    ///
    /// # Errors
    /// [`WeightsError`].
    pub fn open_with(
        gpu: &Gpu,
        path: &Path,
        options: &EncoderOptions,
    ) -> Result<PretrainedEncoder, WeightsError> {
        let file = WeightsFile::read(path)?;
        let network = recognise(&file, options)?;
        let modalities = match &network {
            Architecture::Mae(_) => vec![MultiMaeShape::visarl().modalities.swap_remove(0)],
            Architecture::MultiMae(shape) => shape.modalities.clone(),
        };
        // Decoders, and adapters of images that nobody has here: depth, say.
        let other_modality = |name: &str| {
            let inside = name.strip_prefix("input_adapters.");
            let modality = inside.and_then(|name| name.split('.').next());
            modality.is_some_and(|name| modalities.iter().all(|m| m.name != name))
        };
        let left_out = |name: &str| network.is_of_decoder(name) || other_modality(name);
        fit::check(&file, &network, left_out)?;
        let parameters = Arena::new(gpu, "encoder", network.layout().layout().clone())?;
        fit::fill(gpu, &file, &parameters)?;
        let names = file.entries().keys();
        let unused = names.filter(|name| left_out(name)).cloned().collect();
        Ok(PretrainedEncoder {
            network,
            modalities,
            parameters,
            unused,
        })
    }

    /// Whether [`PretrainedEncoder::open_with`] would recognise the file, without a device.
    /// Gives the side of the images that it takes.
    ///
    /// # Errors
    /// [`WeightsError`].
    pub fn side_of(path: &Path, options: &EncoderOptions) -> Result<usize, WeightsError> {
        Ok(recognise(&WeightsFile::read(path)?, options)?.image_size())
    }

    /// Kinds of images that it takes: RGB and, if it was trained with it, saliency.
    pub fn modalities(&self) -> &[Modality] {
        &self.modalities
    }

    /// Side of the images in pixels.
    pub fn image_size(&self) -> usize {
        self.network.image_size()
    }

    /// Side of a patch in pixels.
    pub fn patch(&self) -> usize {
        self.network.patch()
    }

    /// Width of a token, and of an embedding.
    pub fn width(&self) -> usize {
        self.network.dim()
    }

    /// Heads of its attentions.
    pub fn heads(&self) -> usize {
        self.network.heads()
    }

    /// Transformer blocks.
    pub fn depth(&self) -> usize {
        self.network.depth()
    }

    /// All of its sizes; there are no decoders.
    pub fn architecture(&self) -> &Architecture {
        &self.network
    }

    /// Tensors of the file that belong to decoders, or to images other than RGB and
    /// saliency: by name.
    pub fn unused(&self) -> &[String] {
        &self.unused
    }

    /// Its parameters under the released names.
    pub fn parameters(&self) -> &Arena {
        &self.parameters
    }

    /// Writes the encoder into a file that [`PretrainedEncoder::open`] reads, whole or not
    /// at all, with what the options told.
    ///
    /// # Errors
    /// [`WeightsError::Write`], [`WeightsError::Gpu`].
    pub fn save(&self, gpu: &Gpu, path: &Path) -> Result<(), WeightsError> {
        fit::save(gpu, path, &self.network, &self.parameters)
    }

    /// All outputs for whole images, [B, N + 1, width], without gradient: the patches of
    /// each image by row and column, one image after the other. A MultiMAE's global token
    /// is the last; an MAE's class token is the first.
    ///
    /// `images` are f32[B, C, S, S] in 0..255, one for each of
    /// [`modalities`](PretrainedEncoder::modalities) in their order; those at the end may
    /// be left out (RGB alone). They are normalised as in pretraining.
    ///
    /// # Errors
    /// [`TapeError::Shape`] for images of another number or shape.
    pub fn tokens(&self, tape: &Tape, images: &[Var]) -> Result<Var, TapeError> {
        self.encode(tape, images, None)?.detach()
    }

    /// What agents see of images: the mean over all outputs, [B, width], without gradient
    /// (SPEC.md B.7: 129 tokens with saliency, 65 of RGB alone, at ViSaRL's sizes).
    ///
    /// # Errors
    /// Those of [`PretrainedEncoder::tokens`].
    pub fn embedding(&self, tape: &Tape, images: &[Var]) -> Result<Var, TapeError> {
        self.pooled(&self.tokens(tape, images)?)
    }

    /// [`PretrainedEncoder::embedding`] through which gradients reach the images: to explain
    /// what is made of them.
    ///
    /// # Errors
    /// Those of [`PretrainedEncoder::tokens`].
    pub fn embedding_with_gradient(&self, tape: &Tape, images: &[Var]) -> Result<Var, TapeError> {
        self.pooled(&self.encode(tape, images, None)?)
    }

    /// The mean over tokens [B, N + 1, width].
    fn pooled(&self, tokens: &Var) -> Result<Var, TapeError> {
        let batch = tokens.shape()[0];
        tokens.mean(1..2)?.reshape(&[batch, self.width()])
    }

    /// How each block mixes the tokens of images, as they are given to
    /// [`tokens`](PretrainedEncoder::tokens): for each block [B, heads, N + 1, N + 1], the
    /// share of token j in what token i becomes, without gradient.
    ///
    /// # Errors
    /// Those of [`PretrainedEncoder::tokens`].
    pub fn attention(&self, tape: &Tape, images: &[Var]) -> Result<Vec<Var>, TapeError> {
        let mut maps = vec![];
        self.encode(tape, images, Some(&mut maps))?;
        maps.iter().map(Var::detach).collect()
    }

    /// Place of the token that stands for the whole, the global or the class token, among
    /// the tokens of so many images.
    pub fn whole_token(&self, images: usize) -> usize {
        match self.network {
            Architecture::Mae(_) => 0,
            Architecture::MultiMae(_) => images * self.patches(),
        }
    }

    /// Places of an image's patches among the tokens, by row and column.
    pub fn patch_tokens(&self, image: usize) -> Range<usize> {
        let before = match self.network {
            Architecture::Mae(_) => 1,
            Architecture::MultiMae(_) => image * self.patches(),
        };
        before..before + self.patches()
    }

    /// Patches of one image.
    pub fn patches(&self) -> usize {
        (self.image_size() / self.patch()).pow(2)
    }

    fn encode(
        &self,
        tape: &Tape,
        images: &[Var],
        attention: Option<&mut Vec<Var>>,
    ) -> Result<Var, TapeError> {
        self.check(images)?;
        let rgb = MultiMae::normalise_rgb(tape, &images[0])?;
        let scope = Scope::new(tape, &self.parameters, "");
        let shape = match &self.network {
            Architecture::Mae(shape) => {
                return Mae::encode_and_watch(tape, &scope, &rgb, None, shape, attention);
            }
            Architecture::MultiMae(shape) => shape,
        };
        let mut normalised = vec![rgb];
        for map in &images[1..] {
            normalised.push(MultiMae::normalise_saliency(map)?);
        }
        let mut tokens = vec![];
        for (modality, image) in normalised.iter().enumerate() {
            let patches = patchify(image, shape.patch, PixelOrder::ChannelsFirst)?;
            tokens.push(MultiMae::tokens(tape, &scope, &patches, modality, shape)?);
        }
        let tokens = Var::concat(&tokens.iter().collect::<Vec<_>>(), 1)?;
        MultiMae::encode_and_watch(&scope, &tokens, shape, attention)
    }

    fn check(&self, images: &[Var]) -> Result<(), TapeError> {
        let side = self.image_size();
        let batch = images
            .first()
            .and_then(|image| image.shape().first().copied());
        let expected: Vec<Vec<usize>> = (self.modalities.iter())
            .map(|m| vec![batch.unwrap_or(1), m.channels, side, side])
            .collect();
        let given: Vec<Vec<usize>> = images.iter().map(Var::shape).collect();
        if !given.is_empty() && expected.starts_with(&given) {
            return Ok(());
        }
        let names: Vec<&str> = self.modalities.iter().map(|m| m.name.as_str()).collect();
        Err(TapeError::Shape {
            op: "encoder",
            given: format!("images of {given:?}"),
            expected: format!(
                "{expected:?} for {}; those at the end may be left out",
                names.join(" and ")
            ),
        })
    }
}
