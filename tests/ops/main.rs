//! Every operation against its float64 reference and finite differences.

#[path = "../common/mod.rs"]
mod common;

mod adam;
mod bce_with_logits;
mod binary;
mod concat;
mod conv2d;
mod gather;
mod layer_norm;
mod bytes_to_image;
mod conv2d;
mod crop;
mod matmul;
mod overlay;
mod philox;
mod mse;
mod reduce;
mod slice;
mod softmax;
mod squash;
mod squashed_gaussian;
mod resize;
mod shift;
mod texture_to_image;
mod clip_norm;
mod conv2d;
mod ema;
mod fill_range;
mod mask;
mod matmul;
mod quantile;
mod reduce;
mod tick;
mod unary;
