//! Pre-norm transformer blocks (Dosovitskiy et al. 2021; SPEC.md B.1). Parameter names
//! are those of the released PyTorch code.

use super::{Init, ParameterLayout, Scope};
use crate::ops::{AttentionOptions, TapeError, Var};

/// Of every layer norm of a transformer.
pub(super) const LAYER_NORM_EPS: f32 = 1e-6;
/// Width of an MLP's hidden layer over that of a token.
const MLP_RATIO: usize = 4;
pub(super) const ZERO: Init = Init::Constant(0.0);

/// Xavier-uniform for a layer of `blocks` matrices [out/blocks, input] one below the
/// other, each by its own size (SPEC.md B.2).
pub(super) fn xavier(out: usize, input: usize, blocks: usize) -> Init {
    Init::Uniform((6.0 / (out / blocks + input) as f64).sqrt())
}

/// Appends a linear layer with Xavier-uniform weights and zero bias.
pub(super) fn push_linear(layout: &mut ParameterLayout, name: &str, out: usize, input: usize) {
    layout.linear(name, out, input, xavier(out, input, 1), ZERO);
}

/// Appends a layer norm: ones and zeros.
pub(super) fn push_norm(layout: &mut ParameterLayout, name: &str, dim: usize) {
    layout.push(format!("{name}.weight"), &[dim], Init::Constant(1.0));
    layout.push(format!("{name}.bias"), &[dim], ZERO);
}

/// Appends a patch embedding: `prefix.weight` [dim, channels, patch, patch], Xavier-uniform
/// as a matrix, and `prefix.bias`, as PyTorch begins convolutions.
pub(super) fn push_embed(
    layout: &mut ParameterLayout,
    prefix: &str,
    dim: usize,
    channels: usize,
    patch: usize,
) {
    let pixels = channels * patch * patch;
    let shape = [dim, channels, patch, patch];
    layout.push(format!("{prefix}.weight"), &shape, xavier(dim, pixels, 1));
    let bound = 1.0 / (pixels as f64).sqrt();
    layout.push(format!("{prefix}.bias"), &[dim], Init::Uniform(bound));
}

/// Patches [B, N, L] (by channel, row, column) → [B, N, D]: a convolution whose stride is
/// its kernel's size.
pub(super) fn embed(scope: &Scope, patches: &Var) -> Result<Var, TapeError> {
    let weight = scope.var("weight")?;
    let dim = weight.shape()[0];
    let matrix = weight.reshape(&[dim, weight.len() / dim])?;
    patches.linear(&matrix, &scope.var("bias")?)
}

/// Linear, exact GELU, linear.
#[derive(Debug)]
pub struct Mlp;

impl Mlp {
    /// Appends `prefix.{fc1,fc2}.*`.
    pub fn push(layout: &mut ParameterLayout, prefix: &str, dim: usize) {
        push_linear(layout, &format!("{prefix}.fc1"), MLP_RATIO * dim, dim);
        push_linear(layout, &format!("{prefix}.fc2"), dim, MLP_RATIO * dim);
    }

    /// x [B, N, D] → [B, N, D].
    pub fn forward(scope: &Scope, x: &Var) -> Result<Var, TapeError> {
        scope.linear("fc2", &scope.linear("fc1", x)?.gelu()?)
    }
}

/// Self-attention and MLP, each behind a layer norm and beside a residual.
#[derive(Debug)]
pub struct Block;

impl Block {
    /// Appends `prefix.{norm1,attn,norm2,mlp}.*`.
    pub fn push(layout: &mut ParameterLayout, prefix: &str, dim: usize) {
        push_norm(layout, &format!("{prefix}.norm1"), dim);
        let qkv = xavier(3 * dim, dim, 3);
        layout.linear(&format!("{prefix}.attn.qkv"), 3 * dim, dim, qkv, ZERO);
        push_linear(layout, &format!("{prefix}.attn.proj"), dim, dim);
        push_norm(layout, &format!("{prefix}.norm2"), dim);
        Mlp::push(layout, &format!("{prefix}.mlp"), dim);
    }

    /// x [B, N, D] → [B, N, D].
    pub fn forward(scope: &Scope, x: &Var, heads: usize) -> Result<Var, TapeError> {
        let normed = scope.layer_norm("norm1", x, LAYER_NORM_EPS)?;
        let x = x.add(&Block::attention(&scope.sub("attn"), &normed, heads)?)?;
        let normed = scope.layer_norm("norm2", &x, LAYER_NORM_EPS)?;
        x.add(&Mlp::forward(&scope.sub("mlp"), &normed)?)
    }

    /// How the block with input x [B, N, D] mixes its tokens: softmax(q kᵀ / √head), the
    /// share of token j in what token i becomes, [B, heads, N, N]. Rows sum to 1.
    ///
    /// Fused attention stores no such thing, so that here products and a softmax compute it
    /// for each sample and head: to look at, not to train with.
    ///
    /// # Errors
    /// [`TapeError::Shape`] where heads do not divide D.
    pub fn attention_probabilities(scope: &Scope, x: &Var, heads: usize) -> Result<Var, TapeError> {
        let normed = scope.layer_norm("norm1", x, LAYER_NORM_EPS)?;
        let qkv = scope.linear("attn.qkv", &normed)?;
        let [batch, tokens, width] = [0, 1, 2].map(|i| qkv.shape()[i]);
        let head = (width / 3).checked_div(heads).unwrap_or(0);
        let qkv = qkv.reshape(&[batch, tokens, 3 * heads, head])?;
        let scale = 1.0 / (head as f32).sqrt();
        let mut each = vec![];
        for sample in 0..batch {
            let of_sample = qkv.slice(0, sample..sample + 1)?;
            let matrix = |i: usize| of_sample.slice(2, i..i + 1)?.reshape(&[tokens, head]);
            for i in 0..heads {
                let (q, k) = (matrix(i)?.scale(scale)?, matrix(heads + i)?);
                let shares = q.matmul_transposed(&k, false, true)?.softmax()?;
                each.push(shares.reshape(&[1, tokens, tokens])?);
            }
        }
        Var::concat(&each.iter().collect::<Vec<_>>(), 0)?.reshape(&[batch, heads, tokens, tokens])
    }

    /// Self-attention of x [B, N, D], projection included.
    pub fn attention(scope: &Scope, x: &Var, heads: usize) -> Result<Var, TapeError> {
        let mixed = scope
            .linear("qkv", x)?
            .self_attention(AttentionOptions::heads(heads))?;
        scope.linear("proj", &mixed)
    }
}

/// Blocks one after the other.
#[derive(Debug)]
pub(super) struct Blocks {
    /// Of the parameters: `name.0`, `name.1`, …
    pub name: &'static str,
    pub depth: usize,
    pub heads: usize,
}

impl Blocks {
    /// x [B, N, D] → [B, N, D]. Each block's [`Block::attention_probabilities`] are added
    /// to `attention` if somebody asks for them.
    pub fn forward(
        &self,
        scope: &Scope,
        x: &Var,
        mut attention: Option<&mut Vec<Var>>,
    ) -> Result<Var, TapeError> {
        let mut x = x.clone();
        for i in 0..self.depth {
            let scope = scope.sub(&format!("{}.{i}", self.name));
            if let Some(maps) = &mut attention {
                maps.push(Block::attention_probabilities(&scope, &x, self.heads)?);
            }
            x = Block::forward(&scope, &x, self.heads)?;
        }
        Ok(x)
    }
}

/// Attention of queries to a context, without residual.
#[derive(Debug)]
pub struct CrossAttention;

impl CrossAttention {
    /// Appends `prefix.{q,kv,proj}.*`.
    pub fn push(layout: &mut ParameterLayout, prefix: &str, dim: usize) {
        push_linear(layout, &format!("{prefix}.q"), dim, dim);
        let kv = xavier(2 * dim, dim, 2);
        layout.linear(&format!("{prefix}.kv"), 2 * dim, dim, kv, ZERO);
        push_linear(layout, &format!("{prefix}.proj"), dim, dim);
    }

    /// queries [B, N, D] and context [B, M, D] → [B, N, D].
    pub fn forward(
        scope: &Scope,
        queries: &Var,
        context: &Var,
        heads: usize,
    ) -> Result<Var, TapeError> {
        let q = scope.linear("q", queries)?;
        let kv = scope.linear("kv", context)?;
        scope.linear(
            "proj",
            &q.cross_attention(&kv, AttentionOptions::heads(heads))?,
        )
    }
}
