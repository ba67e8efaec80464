//! MAE (He et al. 2022): a Vision transformer that sees a few patches of an image, and a
//! small one that restores the rest (SPEC.md B.6). Parameter names are those of the
//! released PyTorch code.

use super::patches::{PatchLoss, PixelOrder, patchify};
use super::position::{FirstCoordinate, PositionGrid};
use super::transformer::{
    Block, Blocks, LAYER_NORM_EPS, embed, push_embed, push_linear, push_norm,
};
use super::{Init, ParameterLayout, Scope};
use crate::ops::{SampledTokens, TapeError, Var};
use crate::tape::Tape;

/// Deviation of learned tokens at first.
const TOKEN_INIT: Init = Init::TruncatedNormal(0.02);

/// Sizes of an MAE.
#[derive(Debug, Clone, PartialEq)]
pub struct MaeShape {
    /// Of the images, in pixels; multiples of `patch`.
    pub height: usize,
    pub width: usize,
    pub channels: usize,
    pub patch: usize,
    /// Width of a token in the encoder, and in the decoder; multiples of 4.
    pub dim: usize,
    pub decoder_dim: usize,
    /// Blocks: 0 in the decoder where there is none, and then its other sizes do not matter.
    pub depth: usize,
    pub decoder_depth: usize,
    pub heads: usize,
    pub decoder_heads: usize,
}

impl MaeShape {
    /// ViT-Base with the released decoder, for images of 224×224.
    pub fn base() -> MaeShape {
        MaeShape {
            height: 224,
            width: 224,
            channels: 3,
            patch: 16,
            dim: 768,
            decoder_dim: 512,
            depth: 12,
            decoder_depth: 8,
            heads: 12,
            decoder_heads: 16,
        }
    }

    /// Patches down and across an image.
    pub fn grid(&self) -> [usize; 2] {
        [self.height / self.patch, self.width / self.patch]
    }

    /// Patches of an image.
    pub fn patches(&self) -> usize {
        self.grid().iter().product()
    }

    /// Pixels of a patch, all channels.
    pub fn patch_len(&self) -> usize {
        self.channels * self.patch * self.patch
    }

    /// The position embeddings of an image's patches, by row and column. That of the class
    /// token is zero.
    pub fn positions(&self, dim: usize) -> PositionGrid {
        let [rows, columns] = self.grid();
        PositionGrid::sin_cos(rows, columns, dim, FirstCoordinate::Column)
    }
}

/// The networks.
#[derive(Debug)]
pub struct Mae;

impl Mae {
    /// Appends the encoder: `patch_embed.*`, `cls_token`, `blocks.*`, `norm.*`.
    pub fn push_encoder(layout: &mut ParameterLayout, shape: &MaeShape) {
        let dim = shape.dim;
        push_embed(layout, "patch_embed.proj", dim, shape.channels, shape.patch);
        layout.push("cls_token".to_string(), &[1, 1, dim], TOKEN_INIT);
        for i in 0..shape.depth {
            Block::push(layout, &format!("blocks.{i}"), dim);
        }
        push_norm(layout, "norm", dim);
    }

    /// Appends the decoder: `decoder_*`, `mask_token`.
    pub fn push_decoder(layout: &mut ParameterLayout, shape: &MaeShape) {
        let dim = shape.decoder_dim;
        push_linear(layout, "decoder_embed", dim, shape.dim);
        layout.push("mask_token".to_string(), &[1, 1, dim], TOKEN_INIT);
        for i in 0..shape.decoder_depth {
            Block::push(layout, &format!("decoder_blocks.{i}"), dim);
        }
        push_norm(layout, "decoder_norm", dim);
        push_linear(layout, "decoder_pred", shape.patch_len(), dim);
    }

    /// Images [B, C, H, W], normalised, and which patches are visible (`None`: all) →
    /// [B, K + 1, dim], the class token first.
    pub fn encode(
        tape: &Tape,
        scope: &Scope,
        image: &Var,
        sample: Option<&SampledTokens>,
        shape: &MaeShape,
    ) -> Result<Var, TapeError> {
        Mae::encode_and_watch(tape, scope, image, sample, shape, None)
    }

    /// [`Mae::encode`]; each block's [`Block::attention_probabilities`] are added to
    /// `attention` if somebody asks for them.
    pub fn encode_and_watch(
        tape: &Tape,
        scope: &Scope,
        image: &Var,
        sample: Option<&SampledTokens>,
        shape: &MaeShape,
        attention: Option<&mut Vec<Var>>,
    ) -> Result<Var, TapeError> {
        let patches = patchify(image, shape.patch, PixelOrder::ChannelsFirst)?;
        let position = positions(tape, shape, shape.dim)?;
        let mut tokens = embed(&scope.sub("patch_embed.proj"), &patches)?.add(&position)?;
        let batch = tokens.shape()[0];
        if let Some(sample) = sample {
            let rows = tokens.reshape(&[batch * shape.patches(), shape.dim])?;
            let visible = sample.kept.len() / batch;
            tokens = rows.gather(&sample.kept)?;
            tokens = tokens.reshape(&[batch, visible, shape.dim])?;
        }
        // The class token's position embedding is zero.
        let class = scope.var("cls_token")?;
        let class = class.broadcast_to(&[batch, 1, shape.dim])?;
        let x = Var::concat(&[&class, &tokens], 1)?;
        let blocks = Blocks {
            name: "blocks",
            depth: shape.depth,
            heads: shape.heads,
        };
        let x = blocks.forward(scope, &x, attention)?;
        scope.layer_norm("norm", &x, LAYER_NORM_EPS)
    }

    /// What the encoder made of the visible patches → all patches [B, N, C · patch²], by
    /// row, column, channel.
    pub fn decode(
        tape: &Tape,
        scope: &Scope,
        encoded: &Var,
        sample: &SampledTokens,
        shape: &MaeShape,
    ) -> Result<Var, TapeError> {
        let (dim, patches) = (shape.decoder_dim, shape.patches());
        let x = scope.linear("decoder_embed", encoded)?;
        let [batch, with_class] = [0, 1].map(|i| x.shape()[i]);
        let (class, visible) = (x.slice(1, 0..1)?, x.slice(1, 1..with_class)?);
        let visible = visible.reshape(&[batch * (with_class - 1), dim])?;
        let mask_token = scope.var("mask_token")?.reshape(&[1, dim])?;
        let all = Var::concat(&[&visible, &mask_token], 0)?.gather(&sample.restored)?;
        let all = all.reshape(&[batch, patches, dim])?;
        let all = all.add(&positions(tape, shape, dim)?)?;
        let x = Var::concat(&[&class, &all], 1)?;
        let blocks = Blocks {
            name: "decoder_blocks",
            depth: shape.decoder_depth,
            heads: shape.decoder_heads,
        };
        let x = blocks.forward(scope, &x, None)?;
        let x = scope.layer_norm("decoder_norm", &x, LAYER_NORM_EPS)?;
        scope.linear("decoder_pred", &x.slice(1, 1..patches + 1)?)
    }

    /// The error of restored patches over those that are hidden: Σ mask · error / Σ mask,
    /// `[1]`.
    pub fn loss(
        prediction: &Var,
        image: &Var,
        sample: &SampledTokens,
        shape: &MaeShape,
        loss: PatchLoss,
    ) -> Result<Var, TapeError> {
        let target = patchify(image, shape.patch, PixelOrder::ChannelsLast)?;
        let error = loss.of_each(prediction, &target)?;
        let sum = error.mul(&sample.masked)?.sum_all()?;
        sum.div(&sample.masked.sum_all()?)
    }
}

/// The position embeddings of an image's patches, [1, N, dim].
fn positions(tape: &Tape, shape: &MaeShape, dim: usize) -> Result<Var, TapeError> {
    let values = shape.positions(dim).to_f32();
    tape.constant(&[1, shape.patches(), dim], &values)
}
