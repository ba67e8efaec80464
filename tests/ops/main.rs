//! Every operation against its float64 reference and finite differences.

#[path = "../common/mod.rs"]
mod common;

mod adam;
mod attention;
mod attention_tiles;
mod batch_norm;
mod bce_with_logits;
mod binary;
mod bytes_to_image;
mod clip_norm;
mod concat;
mod conv2d;
mod crop;
mod ema;
mod fill_range;
mod flip;
mod gather;
mod layer_norm;
mod mask;
mod matmul;
mod mse;
mod occlusion;
mod overlay;
mod pack;
mod permute;
mod philox;
mod put;
mod quantile;
mod random_conv;
mod reduce;
mod reshape;
mod resize;
mod rise;
mod sample_tokens;
mod sample_transitions;
mod shift;
mod slice;
mod softmax;
mod squash;
mod squashed_gaussian;
mod stack_frames;
mod texture_to_image;
mod tick;
mod unary;
mod watch;
