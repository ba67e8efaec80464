//! MultiMAE (Bachmann et al. 2022) as ViSaRL trains it: one encoder for the visible
//! patches of several images of a scene, one decoder for each image to restore
//! (SPEC.md B.1–B.4). Parameter names are those of the released PyTorch code.

use super::patches::PatchLoss;
use super::position::{FirstCoordinate, Interpolation, PositionGrid};
use super::transformer::{
    Block, Blocks, CrossAttention, LAYER_NORM_EPS, Mlp, embed, push_embed, push_linear, push_norm,
};
use super::{Init, ParameterLayout, Scope};
use crate::ops::{SampledTokens, TapeError, Var};
use crate::tape::Tape;

/// Of red, green and blue in ImageNet, in 0..1.
const IMAGENET_MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const IMAGENET_DEVIATION: [f32; 3] = [0.229, 0.224, 0.225];
/// Deviation of learned tokens at first.
const TOKEN_INIT: Init = Init::TruncatedNormal(0.02);

/// A kind of image.
#[derive(Debug, Clone, PartialEq)]
pub struct Modality {
    pub name: String,
    pub channels: usize,
}

/// A decoder: what it restores, and how much it counts.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// Of the decoder among the parameters.
    pub name: String,
    /// Index of the modality.
    pub modality: usize,
    pub loss: PatchLoss,
    pub weight: f32,
}

/// Sizes of a MultiMAE.
#[derive(Debug, Clone, PartialEq)]
pub struct MultiMaeShape {
    /// Of every image, in pixels; multiples of `patch`.
    pub height: usize,
    pub width: usize,
    pub patch: usize,
    /// Cells along each side of the grid that position embeddings are made on; they are
    /// resized to the images' own. ViSaRL's is 28 whatever the images.
    pub position_grid: usize,
    /// Width of a token in the encoder, and in the decoders; multiples of 4.
    pub dim: usize,
    pub decoder_dim: usize,
    /// Blocks.
    pub depth: usize,
    pub decoder_depth: usize,
    pub heads: usize,
    pub decoder_heads: usize,
    pub modalities: Vec<Modality>,
    pub tasks: Vec<Task>,
}

impl MultiMaeShape {
    /// ViSaRL's: RGB and saliency of 64×64, patches of 8, 13,018,816 parameters.
    pub fn visarl() -> MultiMaeShape {
        let modality = |name: &str, channels| Modality {
            name: name.to_string(),
            channels,
        };
        let task = |name: &str, modality, loss, weight| Task {
            name: name.to_string(),
            modality,
            loss,
            weight,
        };
        MultiMaeShape {
            height: 64,
            width: 64,
            patch: 8,
            position_grid: 28,
            dim: 256,
            decoder_dim: 256,
            depth: 4,
            decoder_depth: 3,
            heads: 4,
            decoder_heads: 4,
            modalities: vec![modality("rgb", 3), modality("saliency", 1)],
            tasks: vec![
                task("rgb", 0, PatchLoss::Squared, 1.0),
                task("saliency", 1, PatchLoss::Absolute, 10.0),
                task("norm_rgb", 0, PatchLoss::SquaredOfNormalised, 1.0),
            ],
        }
    }

    /// Patches down and across an image.
    pub fn grid(&self) -> [usize; 2] {
        [self.height / self.patch, self.width / self.patch]
    }

    /// Patches of one image.
    pub fn patches(&self) -> usize {
        self.grid().iter().product()
    }

    /// Patches of all images of a scene.
    pub fn tokens(&self) -> usize {
        self.patches() * self.modalities.len()
    }

    /// Pixels of a patch, all channels.
    pub fn patch_len(&self, modality: usize) -> usize {
        self.modalities[modality].channels * self.patch * self.patch
    }

    /// The position embeddings before they are resized to the images' grid.
    pub fn positions(&self, dim: usize) -> PositionGrid {
        let side = self.position_grid;
        PositionGrid::sin_cos(side, side, dim, FirstCoordinate::Row)
    }
}

/// What decoders restored, and how well.
#[derive(Debug, Clone)]
pub struct Reconstruction {
    /// For each task, patches [B, N, channels · patch²] of its modality: all of them,
    /// also the visible ones.
    pub patches: Vec<Var>,
    /// For each task, a scalar `[1]`, unweighted.
    pub losses: Vec<Var>,
    /// The weighted sum, `[1]`.
    pub loss: Var,
}

/// The networks.
#[derive(Debug)]
pub struct MultiMae;

impl MultiMae {
    /// Appends the encoder: `input_adapters.*`, `encoder.*`, `global_tokens`.
    pub fn push_encoder(layout: &mut ParameterLayout, shape: &MultiMaeShape) {
        let (dim, patch) = (shape.dim, shape.patch);
        for modality in &shape.modalities {
            let name = format!("input_adapters.{}.proj", modality.name);
            push_embed(layout, &name, dim, modality.channels, patch);
        }
        for i in 0..shape.depth {
            Block::push(layout, &format!("encoder.{i}"), dim);
        }
        layout.push("global_tokens".to_string(), &[1, 1, dim], TOKEN_INIT);
    }

    /// Appends the decoders: `output_adapters.*`.
    pub fn push_decoders(layout: &mut ParameterLayout, shape: &MultiMaeShape) {
        let dim = shape.decoder_dim;
        for task in &shape.tasks {
            let at = |name: &str| format!("output_adapters.{}.{name}", task.name);
            push_linear(layout, &at("proj_context"), dim, shape.dim);
            for modality in &shape.modalities {
                let name = at(&format!("task_embeddings.{}", modality.name));
                layout.push(name, &[1, 1, dim], TOKEN_INIT);
            }
            layout.push(at("mask_token"), &[1, 1, dim], Init::Constant(0.0));
            CrossAttention::push(layout, &at("decoder"), dim);
            for norm in ["context_norm", "query_norm", "out_norm"] {
                push_norm(layout, &at(norm), dim);
            }
            Mlp::push(layout, &at("mlp"), dim);
            for i in 0..shape.decoder_depth {
                Block::push(layout, &at(&format!("decoder_transformer.{i}")), dim);
            }
            push_linear(layout, &at("out_proj"), shape.patch_len(task.modality), dim);
        }
    }

    /// RGB images [B, 3, H, W] in 0..255, less the mean of ImageNet's images and over
    /// their deviation (SPEC.md B.4).
    pub fn normalise_rgb(tape: &Tape, image: &Var) -> Result<Var, TapeError> {
        let of_channels = |values: [f32; 3]| tape.constant(&[1, 3, 1, 1], &values);
        image
            .scale(1.0 / 255.0)?
            .sub(&of_channels(IMAGENET_MEAN)?)?
            .mul(&of_channels(IMAGENET_DEVIATION.map(|d| 1.0 / d))?)
    }

    /// Saliency maps in 0..255 → 0..1.
    pub fn normalise_saliency(map: &Var) -> Result<Var, TapeError> {
        map.scale(1.0 / 255.0)
    }

    /// [`MultiMae::normalise_rgb`] for the bytes of one image [3, H, W], on the CPU.
    pub fn normalise_bytes(image: &[u8]) -> impl Iterator<Item = f32> + '_ {
        let plane = (image.len() / 3).max(1);
        (image.iter().enumerate()).map(move |(i, &byte)| {
            let channel = i / plane;
            (f32::from(byte) / 255.0 - IMAGENET_MEAN[channel]) / IMAGENET_DEVIATION[channel]
        })
    }

    /// The inverse of that for one image [3, H, W], as bytes in 0..255.
    pub fn rgb_bytes(normalised: &[f32]) -> Vec<u8> {
        let plane = (normalised.len() / 3).max(1);
        let byte = |(i, value): (usize, &f32)| {
            let channel = i / plane;
            let unit = value * IMAGENET_DEVIATION[channel] + IMAGENET_MEAN[channel];
            (255.0 * unit).round() as u8
        };
        normalised.iter().enumerate().map(byte).collect()
    }

    /// Patches of one modality (by channel, row, column) → its tokens [B, N, dim], position
    /// embedding included.
    pub fn tokens(
        tape: &Tape,
        scope: &Scope,
        patches: &Var,
        modality: usize,
        shape: &MultiMaeShape,
    ) -> Result<Var, TapeError> {
        let name = format!("input_adapters.{}.proj", shape.modalities[modality].name);
        let position = positions(tape, shape, shape.dim, Interpolation::Bicubic)?;
        embed(&scope.sub(&name), patches)?.add(&position)
    }

    /// Tokens [B, K, dim], of whatever patches → [B, K + 1, dim]; the last is the global
    /// token's.
    pub fn encode(scope: &Scope, tokens: &Var, shape: &MultiMaeShape) -> Result<Var, TapeError> {
        MultiMae::encode_and_watch(scope, tokens, shape, None)
    }

    /// [`MultiMae::encode`]; each block's [`Block::attention_probabilities`] are added to
    /// `attention` if somebody asks for them.
    pub fn encode_and_watch(
        scope: &Scope,
        tokens: &Var,
        shape: &MultiMaeShape,
        attention: Option<&mut Vec<Var>>,
    ) -> Result<Var, TapeError> {
        let global = scope.var("global_tokens")?;
        let global = global.broadcast_to(&[tokens.shape()[0], 1, shape.dim])?;
        let x = Var::concat(&[tokens, &global], 1)?;
        let blocks = Blocks {
            name: "encoder",
            depth: shape.depth,
            heads: shape.heads,
        };
        blocks.forward(scope, &x, attention)
    }

    /// The visible tokens of [B, T, dim], in the order of the sample: [B, K, dim].
    pub fn visible(tokens: &Var, sample: &SampledTokens) -> Result<Var, TapeError> {
        let [b, t, dim] = [0, 1, 2].map(|i| tokens.shape()[i]);
        let rows = tokens.reshape(&[b * t, dim])?.gather(&sample.kept)?;
        rows.reshape(&[b, sample.kept.len() / b, dim])
    }

    /// The encoder's output for the visible tokens [B, K + 1, dim] → all patches of a
    /// task's modality, [B, N, channels · patch²].
    pub fn decode(
        tape: &Tape,
        scope: &Scope,
        encoded: &Var,
        sample: &SampledTokens,
        task: &Task,
        shape: &MultiMaeShape,
    ) -> Result<Var, TapeError> {
        let scope = scope.sub(&format!("output_adapters.{}", task.name));
        let (dim, patches, total) = (shape.decoder_dim, shape.patches(), shape.tokens());
        let context = scope.linear("proj_context", encoded)?;
        let [b, with_global] = [0, 1].map(|i| context.shape()[i]);
        let visible = with_global - 1;
        let global = context.slice(1, visible..with_global)?;
        // All tokens: the visible ones in their places, the mask token elsewhere.
        let rows = context.slice(1, 0..visible)?.reshape(&[b * visible, dim])?;
        let mask_token = scope.var("mask_token")?.reshape(&[1, dim])?;
        let rows = Var::concat(&[&rows, &mask_token], 0)?.gather(&sample.restored)?;
        let all = rows.reshape(&[b, total, dim])?;
        // What each modality adds to its tokens.
        let position = positions(tape, shape, dim, Interpolation::Bilinear)?;
        let mut embeddings = vec![];
        for modality in &shape.modalities {
            let name = format!("task_embeddings.{}", modality.name);
            embeddings.push(scope.var(&name)?.add(&position)?);
        }
        let embeddings = Var::concat(&embeddings.iter().collect::<Vec<_>>(), 1)?;
        let all = all.add(&embeddings)?;

        let first = task.modality * patches;
        let queries = all.slice(1, first..first + patches)?;
        let seen = MultiMae::visible(&all, sample)?;
        let context = Var::concat(&[&seen, &global], 1)?;
        let queries = scope.layer_norm("query_norm", &queries, LAYER_NORM_EPS)?;
        let context = scope.layer_norm("context_norm", &context, LAYER_NORM_EPS)?;
        let heads = shape.decoder_heads;
        let x = CrossAttention::forward(&scope.sub("decoder"), &queries, &context, heads)?;
        let normed = scope.layer_norm("out_norm", &x, LAYER_NORM_EPS)?;
        let x = x.add(&Mlp::forward(&scope.sub("mlp"), &normed)?)?;
        let blocks = Blocks {
            name: "decoder_transformer",
            depth: shape.decoder_depth,
            heads,
        };
        let x = blocks.forward(&scope, &x, None)?;
        scope.linear("out_proj", &x)
    }

    /// The whole model: patches of every modality, and which of them are visible, to what
    /// the decoders make of it.
    pub fn reconstruct(
        tape: &Tape,
        scope: &Scope,
        patches: &[Var],
        sample: &SampledTokens,
        shape: &MultiMaeShape,
    ) -> Result<Reconstruction, TapeError> {
        let mut tokens = vec![];
        for (modality, patches) in patches.iter().enumerate() {
            tokens.push(MultiMae::tokens(tape, scope, patches, modality, shape)?);
        }
        let tokens = Var::concat(&tokens.iter().collect::<Vec<_>>(), 1)?;
        let visible = MultiMae::visible(&tokens, sample)?;
        let encoded = MultiMae::encode(scope, &visible, shape)?;
        let (mut restored, mut losses) = (vec![], vec![]);
        let mut loss: Option<Var> = None;
        for task in &shape.tasks {
            let prediction = MultiMae::decode(tape, scope, &encoded, sample, task, shape)?;
            let first = task.modality * shape.patches();
            let masked = sample.masked.slice(1, first..first + shape.patches())?;
            let target = &patches[task.modality];
            let of_task = patch_loss(&prediction, target, &masked, task.loss)?;
            let weighted = of_task.scale(task.weight)?;
            loss = Some(match loss {
                Some(sum) => sum.add(&weighted)?,
                None => weighted,
            });
            restored.push(prediction);
            losses.push(of_task);
        }
        let loss = loss.ok_or_else(|| TapeError::Option {
            op: "multimae",
            message: "no tasks; there must be at least one".to_string(),
        })?;
        Ok(Reconstruction {
            patches: restored,
            losses,
            loss,
        })
    }
}

/// The position embeddings of one image's patches, [1, N, dim].
fn positions(
    tape: &Tape,
    shape: &MultiMaeShape,
    dim: usize,
    interpolation: Interpolation,
) -> Result<Var, TapeError> {
    let [rows, columns] = shape.grid();
    let grid = shape.positions(dim);
    let values = grid.resized(rows, columns, interpolation).to_f32();
    tape.constant(&[1, rows * columns, dim], &values)
}

/// The error of patches [B, N, L], averaged over the pixels of those that are masked
/// (1 in [B, N]) in each sample, then over the samples that have such: [1] (SPEC.md B.4).
fn patch_loss(
    prediction: &Var,
    target: &Var,
    masked: &Var,
    loss: PatchLoss,
) -> Result<Var, TapeError> {
    let per_patch = loss.of_each(prediction, target)?;
    let count = masked.sum(1..2)?;
    let one = |like: &Var| like.affine(0.0, 1.0);
    let sum = per_patch.mul(masked)?.sum(1..2)?;
    let per_sample = sum.div(&count.maximum(&one(&count)?)?)?;
    // Samples without a masked patch have no error, and do not count.
    let samples = count.minimum(&one(&count)?)?.sum_all()?;
    per_sample
        .sum_all()?
        .div(&samples.maximum(&one(&samples)?)?)
}
