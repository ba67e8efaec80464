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

/// Inputs: noise f32[B, T], shares f32[B, M], tie-break f32[B, T]. Output: sort keys
/// f32[B, T], least those of the proposed tokens.
#[derive(Debug)]
struct Propose {
    /// Of each modality.
    tokens: Vec<usize>,
    keep: usize,
}

impl Op for Propose {
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
                Ok(vec![(*noise).clone()])
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
        let keys = cx.output(0);
        let total = noise.shape()[1];
        let first = |modality: usize| -> usize {
            match modality < self.tokens.len() {
                true => self.tokens[..modality].iter().sum(),
                false => total,
            }
        };
        cx.dispatch("sample_tokens/propose")
            .bind("noise", &noise)
            .bind("shares", &shares)
            .bind("tie_break", &tie_break)
            .bind("keys", &keys)
            .u32("count", keys.tensor.len())
            .u32("tokens", total)
            .u32("modalities", self.tokens.len())
            .u32("first_1", first(1))
            .u32("first_2", first(2))
            .u32("first_3", first(3))
            .f32("keep", self.keep as f32)
            .linear(keys.tensor.len())
    }
}

/// Input: keys f32[B, T]. Outputs: those of [`SampledTokens`].
#[derive(Debug)]
struct Keep(usize);

impl Op for Keep {
    fn name(&self) -> &'static str {
        "keep_least"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        match inputs {
            [keys]
                if keys.dtype == DType::F32
                    && keys.shape.len() == 2
                    && (1..=keys.shape[1]).contains(&self.0) =>
            {
                Ok(vec![
                    Tensor::u32(&[keys.shape[0] * self.0]),
                    Tensor::u32(&[keys.len()]),
                    (*keys).clone(),
                ])
            }
            _ => {
                let expected = format!("f32[B, T] with 1 ≤ {} ≤ T visible tokens", self.0);
                Err(shape_error("keep_least", inputs, expected))
            }
        }
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let keys = cx.input(0);
        let [kept, restored, masked] = [0, 1, 2].map(|i| cx.output(i));
        cx.dispatch("sample_tokens/keep")
            .bind("keys", &keys)
            .bind("kept", &kept)
            .bind("restored", &restored)
            .bind("masked", &masked)
            .u32("count", keys.tensor.len())
            .u32("tokens", keys.shape()[1])
            .u32("keep", self.0)
            .linear(keys.tensor.len())
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
        let op = Propose {
            tokens: tokens.to_vec(),
            keep,
        };
        Var::record1(op, &[self, shares, tie_break])?.keep_least(keep)
    }

    /// Makes the `keep` tokens of the least keys f32\[B, T\] visible in each sample, in
    /// the order of their keys, equal ones in their own. With uniform noise for keys this
    /// is the masking of MAE (SPEC.md B.6).
    ///
    /// # Errors
    /// [`TapeError::Shape`] for other shapes, and for more tokens than there are, or none.
    pub fn keep_least(&self, keep: usize) -> Result<SampledTokens, TapeError> {
        match &Var::record(Keep(keep), &[self])?[..] {
            [kept, restored, masked] => Ok(SampledTokens {
                kept: kept.clone(),
                restored: restored.clone(),
                masked: masked.clone(),
            }),
            _ => Err(TapeError::Option {
                op: "keep_least",
                message: "three outputs".to_string(),
            }),
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
