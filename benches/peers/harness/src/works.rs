//! What is computed, from which numbers. `../../pytorch/harness.py` is the same in Python.

use super::{Failure, signed, unsigned};

/// Side of the matrices of `gemm_SIDE`.
pub fn gemm_side(work: &str) -> Option<usize> {
    work.strip_prefix("gemm_")?.parse().ok()
}

/// A and B of C = A B, [side, side] each, row by row.
pub fn gemm(side: usize) -> [Vec<f32>; 2] {
    [1, 2].map(|seed| signed(seed, side * side, 1.0))
}

/// Pictures of the encoder.
pub const BATCH: usize = 16;
/// Channels of all layers but the first one's input.
pub const FILTERS: usize = 32;

/// A convolution 3×3 without padding, over square pictures.
pub struct Layer {
    pub stride: usize,
    pub channels: usize,
    /// Side of its input.
    pub side: usize,
    pub out_side: usize,
    /// [FILTERS, channels, 3, 3]
    pub weight: Vec<f32>,
    /// [FILTERS]
    pub bias: Vec<f32>,
}

/// SGQN's encoder: convolutions with ReLUs between them. Its scalar is Σ out·seed.
pub struct Encoder {
    /// [BATCH, 9, 84, 84] in 0..1.
    pub x: Vec<f32>,
    pub layers: Vec<Layer>,
    /// [BATCH, FILTERS, 21, 21]
    pub seed: Vec<f32>,
}

impl Encoder {
    pub fn new() -> Encoder {
        let mut side = 84;
        let layers: Vec<Layer> = (0..11u32)
            .map(|i| {
                let (stride, channels) = if i == 0 { (2, 9) } else { (1, FILTERS) };
                let input = side;
                side = (side - 3) / stride + 1;
                // Keeps the variance from layer to layer (He et al. 2015).
                let scale = (6.0 / (9 * channels) as f64).sqrt() as f32;
                Layer {
                    stride,
                    channels,
                    side: input,
                    out_side: side,
                    weight: signed(100 + i, FILTERS * channels * 9, scale),
                    bias: signed(200 + i, FILTERS, 0.1),
                }
            })
            .collect();
        Encoder {
            x: unsigned(10, BATCH * 9 * 84 * 84),
            layers,
            seed: signed(11, BATCH * FILTERS * side * side, 1.0),
        }
    }
}

impl Default for Encoder {
    fn default() -> Self {
        Self::new()
    }
}

/// Attention of tokens to each other, in several heads side by side. Its scalar is
/// Σ out·seed.
pub struct Attention {
    /// Queries, keys, values, each [IMAGES, TOKENS, HEADS, HEAD].
    pub qkv: [Vec<f32>; 3],
    /// [IMAGES, TOKENS, HEADS, HEAD]
    pub seed: Vec<f32>,
}

impl Attention {
    pub const IMAGES: usize = 64;
    pub const TOKENS: usize = 129;
    pub const HEADS: usize = 4;
    /// Elements of a head; scores are divided by its root.
    pub const HEAD: usize = 64;

    pub fn new() -> Attention {
        let len = Self::IMAGES * Self::TOKENS * Self::HEADS * Self::HEAD;
        Attention {
            qkv: [300, 301, 302].map(|seed| signed(seed, len, 1.0)),
            seed: signed(303, len, 1.0),
        }
    }
}

impl Default for Attention {
    fn default() -> Self {
        Self::new()
    }
}

/// The error of a program that does not have this work.
pub fn unknown<T>(work: &str) -> Result<T, Failure> {
    Err(format!("work {work} does not exist here").into())
}
