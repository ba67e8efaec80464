//! `sample_tokens`: which tokens of which modality a masked autoencoder sees
//! (SPEC.md B.3, after Bachmann et al. 2022).

use super::{DType, Lower, Op, TapeError, Tensor, Var, shape_error};

/// Modalities that the shader knows.
const MOST_MODALITIES: usize = 4;

/// The visible tokens of a batch, B samples of T tokens in all modalities together.
#[derive(Debug, Clone)]
pub struct SampledTokens {
    /// u32[B·K]: the visible tokens, sample after sample in the order that the encoder
    /// sees them, as rows of [B·T, …].
    pub kept: Var,
    /// u32[B·T]: for each token its row among the B·K visible ones, B·K where it is none.
    pub restored: Var,
    /// f32[B, T]: 1 where a token is hidden, else 0.
    pub masked: Var,
}

/// What [`sample_tokens_on_cpu`] returns, as in [`SampledTokens`].
#[derive(Debug, Clone, PartialEq)]
pub struct SampledOnCpu {
    pub kept: Vec<u32>,
    pub restored: Vec<u32>,
    pub masked: Vec<f32>,
}

/// Inputs: noise f32[B, T], shares f32[B, M], tie-break f32[B, T].
#[derive(Debug)]
struct SampleTokens {
    /// Of each modality.
    tokens: Vec<usize>,
    keep: usize,
}

impl Op for SampleTokens {
    fn name(&self) -> &'static str {
        "sample_tokens"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        let total = self.tokens.iter().sum();
        let modalities = self.tokens.len();
        match inputs {
            [noise, shares, tie_break]
                if inputs.iter().all(|t| t.dtype == DType::F32)
                    && noise.shape.len() == 2
                    && noise.shape == [noise.shape[0], total]
                    && !noise.is_empty()
                    && shares.shape == [noise.shape[0], modalities]
                    && tie_break.shape == noise.shape =>
            {
                let batch = noise.shape[0];
                Ok(vec![
                    Tensor::u32(&[batch * self.keep]),
                    Tensor::u32(&[batch * total]),
                    Tensor::f32(&[batch, total]),
                ])
            }
            _ => Err(shape_error(
                "sample_tokens",
                inputs,
                format!("f32[B, {total}], f32[B, {modalities}] and f32[B, {total}]"),
            )),
        }
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let [noise, shares, tie_break] = [0, 1, 2].map(|i| cx.input(i));
        let [kept, restored, masked] = [0, 1, 2].map(|i| cx.output(i));
        let total = noise.shape()[1];
        let count = noise.tensor.len();
        let first = |modality: usize| -> usize {
            match modality < self.tokens.len() {
                true => self.tokens[..modality].iter().sum(),
                false => total,
            }
        };
        let keys = cx.workspace(noise.tensor.clone());
        cx.dispatch("sample_tokens/propose")
            .bind("noise", &noise)
            .bind("shares", &shares)
            .bind("tie_break", &tie_break)
            .bind("keys", &keys)
            .u32("count", count)
            .u32("tokens", total)
            .u32("modalities", self.tokens.len())
            .u32("first_1", first(1))
            .u32("first_2", first(2))
            .u32("first_3", first(3))
            .f32("keep", self.keep as f32)
            .linear(count)?;
        cx.dispatch("sample_tokens/keep")
            .bind("keys", &keys)
            .bind("kept", &kept)
            .bind("restored", &restored)
            .bind("masked", &masked)
            .u32("count", count)
            .u32("tokens", total)
            .u32("keep", self.keep)
            .linear(count)
    }
}

impl Var {
    /// Draws the K = `keep` visible tokens of each sample; `tokens` says how many each of
    /// at most four modalities has, T in all.
    ///
    /// - `self`: uniform noise f32\[B, T\] in 0..1; per modality it decides which tokens are
    ///   proposed.
    /// - `shares`: f32\[B, M\], what part of the K each modality should have, of sum 1.
    /// - `tie_break`: uniform noise f32\[B, T\] in 0..1; the order of the proposed tokens,
    ///   and which others fill up where rounding left places, or go.
    ///
    /// Always exactly K are kept. Integers are those of the released code (SPEC.md B.3).
    ///
    /// # Errors
    /// [`TapeError::Shape`], and [`TapeError::Option`] for more visible tokens than there
    /// are, none, or modalities that are empty or too many.
    pub fn sample_tokens(
        &self,
        shares: &Var,
        tie_break: &Var,
        tokens: &[usize],
        keep: usize,
    ) -> Result<SampledTokens, TapeError> {
        let wrong = |message: String| {
            let op = "sample_tokens";
            Err(TapeError::Option { op, message })
        };
        let total: usize = tokens.iter().sum();
        if !(1..=MOST_MODALITIES).contains(&tokens.len()) || tokens.contains(&0) {
            return wrong(format!(
                "modalities of {tokens:?} tokens; there must be 1 to {MOST_MODALITIES}, none empty"
            ));
        }
        if !(1..=total).contains(&keep) {
            return wrong(format!(
                "{keep} visible tokens of {total}; it must be 1 to {total}"
            ));
        }
        let op = SampleTokens {
            tokens: tokens.to_vec(),
            keep,
        };
        let mut outputs = Var::record(op, &[self, shares, tie_break])?.into_iter();
        match (outputs.next(), outputs.next(), outputs.next()) {
            (Some(kept), Some(restored), Some(masked)) => Ok(SampledTokens {
                kept,
                restored,
                masked,
            }),
            _ => wrong("three outputs".to_string()),
        }
    }
}

/// [`Var::sample_tokens`] on the CPU, B samples one after the other.
pub fn sample_tokens_on_cpu(
    noise: &[f32],
    shares: &[f32],
    tie_break: &[f32],
    tokens: &[usize],
    keep: usize,
) -> SampledOnCpu {
    let total: usize = tokens.iter().sum();
    let samples = noise.len() / total;
    let mut sampled = SampledOnCpu {
        kept: vec![],
        restored: vec![(samples * keep) as u32; noise.len()],
        masked: vec![1.0; noise.len()],
    };
    // Stable, as is the GPU's counting of ranks.
    let argsort = |values: &[f32]| {
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
        order
    };
    for sample in 0..samples {
        let base = sample * total;
        let mut keys = tie_break[base..base + total].to_vec();
        let mut first = 0;
        for (modality, &count) in tokens.iter().enumerate() {
            let share = shares[sample * tokens.len() + modality] * keep as f32;
            let share = share.round_ties_even();
            let order = argsort(&noise[base + first..base + first + count]);
            for (j, &i) in order.iter().enumerate() {
                keys[first + j] += if (i as f32) < share { 0.0 } else { 1.0 };
            }
            first += count;
        }
        for (rank, &token) in argsort(&keys)[..keep].iter().enumerate() {
            sampled.kept.push((base + token) as u32);
            sampled.restored[base + token] = (sample * keep + rank) as u32;
            sampled.masked[base + token] = 0.0;
        }
    }
    sampled
}
