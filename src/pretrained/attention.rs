//! Where an encoder's attention goes: from the token that stands for the whole (the
//! global or the class token) to the patches, in each head and through all blocks.

use std::collections::BTreeMap;
use std::path::Path;

use super::file::{self, Tensor};
use super::{PretrainedEncoder, WeightsError};
use crate::gpu::Gpu;
use crate::ops::{TapeError, Tensor as Shape, Var};
use crate::tape::{Program, Tape};

/// The maps of images as values on a tape.
#[derive(Debug, Clone)]
pub struct AttentionMaps {
    /// The share of every token in what the whole's token becomes, in each block and head:
    /// [B, depth, heads, T]. Rows sum to 1.
    pub heads: Var,
    /// Attention rollout (Abnar & Zuidema 2020), the whole's row: [B, T], sums to 1. Heads
    /// are averaged; each block's share matrix A becomes ½ (A + I), for the residual beside
    /// it; the product goes over all blocks.
    pub rollout: Var,
}

impl AttentionMaps {
    /// Records the maps of `images`, which are as for [`PretrainedEncoder::tokens`].
    ///
    /// # Errors
    /// Those of [`PretrainedEncoder::tokens`].
    pub fn record(
        encoder: &PretrainedEncoder,
        tape: &Tape,
        images: &[Var],
    ) -> Result<AttentionMaps, TapeError> {
        let blocks = encoder.attention(tape, images)?;
        let whole = encoder.whole_token(images.len());
        let rows = blocks.iter().map(|shares| {
            let [batch, heads, tokens] = [0, 1, 2].map(|i| shares.shape()[i]);
            let row = shares.slice(2, whole..whole + 1)?;
            row.reshape(&[batch, 1, heads, tokens])
        });
        let rows = rows.collect::<Result<Vec<_>, TapeError>>()?;
        Ok(AttentionMaps {
            heads: Var::concat(&rows.iter().collect::<Vec<_>>(), 1)?,
            rollout: rollout(tape, &blocks, whole)?,
        })
    }
}

/// The row of token `whole` in the product of ½ (A + I) over the blocks' shares
/// [B, heads, T, T], of which the last block's stands first: [B, T]. Rows of A sum to 1,
/// and so do those of the mean, which needs no further normalisation.
fn rollout(tape: &Tape, blocks: &[Var], whole: usize) -> Result<Var, TapeError> {
    let [batch, tokens] = blocks
        .first()
        .map_or([0; 2], |shares| [shares.shape()[0], shares.shape()[2]]);
    let at = |token| if token == whole { 1.0 } else { 0.0 };
    let start: Vec<f32> = (0..tokens).map(at).collect();
    let mut rows = vec![];
    for sample in 0..batch {
        let mut row = tape.constant(&[1, tokens], &start)?;
        for shares in blocks.iter().rev() {
            let shares = shares.slice(0, sample..sample + 1)?.mean(1..2)?;
            let mixed = row.matmul(&shares.reshape(&[tokens, tokens])?)?;
            row = row.add(&mixed)?.scale(0.5)?;
        }
        rows.push(row);
    }
    Var::concat(&rows.iter().collect::<Vec<_>>(), 0)
}

/// The maps of one image at a time, compiled.
#[derive(Debug)]
pub struct AttentionProgram {
    program: Program,
    /// depth, heads, tokens.
    shape: [usize; 3],
    /// Of a scene's images: RGB, or RGB and saliency.
    names: Vec<String>,
}

/// The maps of an image.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageAttention {
    /// As in [`AttentionMaps`]: f32\[depth, heads, T\].
    pub heads: Vec<f32>,
    /// f32\[T\].
    pub rollout: Vec<f32>,
}

impl AttentionProgram {
    /// For so many images of a scene: 1 is RGB alone.
    ///
    /// # Errors
    /// Those of recording and compiling.
    pub fn new(
        gpu: &Gpu,
        encoder: &PretrainedEncoder,
        images: usize,
    ) -> Result<AttentionProgram, TapeError> {
        let tape = Tape::new();
        let side = encoder.image_size();
        let (mut names, mut inputs) = (vec![], vec![]);
        for modality in encoder.modalities().iter().take(images) {
            let shape = Shape::f32(&[1, modality.channels, side, side]);
            inputs.push(tape.input(&modality.name, shape));
            names.push(modality.name.clone());
        }
        let maps = AttentionMaps::record(encoder, &tape, &inputs)?;
        let shape = maps.heads.shape();
        tape.output("heads", &maps.heads);
        tape.output("rollout", &maps.rollout);
        Ok(AttentionProgram {
            program: tape.compile(gpu)?,
            shape: [shape[1], shape[2], shape[3]],
            names,
        })
    }

    /// depth, heads, tokens.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// The maps of one scene: its images in the order of the encoder's modalities,
    /// [C, S, S] each, in 0..255.
    ///
    /// # Errors
    /// [`TapeError::DataLength`] for images of another size; those of the device.
    pub fn run(&self, images: &[&[f32]]) -> Result<ImageAttention, TapeError> {
        for (name, image) in self.names.iter().zip(images) {
            self.program.write(name, image)?;
        }
        self.program.run()?;
        Ok(ImageAttention {
            heads: self.program.read_blocking("heads")?,
            rollout: self.program.read_blocking("rollout")?,
        })
    }

    /// Writes the maps of several scenes as they are into a safetensors file, whole or not
    /// at all: `attention` f32[images, depth, heads, T] and `rollout` f32[images, T], and
    /// `notes` in its metadata. The tokens' order is that of [`PretrainedEncoder::tokens`].
    ///
    /// # Errors
    /// [`WeightsError::Write`].
    pub fn save(
        &self,
        path: &Path,
        maps: &[ImageAttention],
        notes: &BTreeMap<&str, String>,
    ) -> Result<(), WeightsError> {
        let [depth, heads, tokens] = self.shape;
        let all = |of: &dyn Fn(&ImageAttention) -> &[f32]| -> Vec<f32> {
            maps.iter()
                .flat_map(|map| of(map).iter().copied())
                .collect()
        };
        let (rows, rollout) = (all(&|m| &m.heads), all(&|m| &m.rollout));
        let tensors = [
            Tensor {
                name: "attention",
                shape: &[maps.len(), depth, heads, tokens],
                bytes: bytemuck::cast_slice(&rows).into(),
            },
            Tensor {
                name: "rollout",
                shape: &[maps.len(), tokens],
                bytes: bytemuck::cast_slice(&rollout).into(),
            },
        ];
        file::write(path, notes, &tensors)
    }
}
