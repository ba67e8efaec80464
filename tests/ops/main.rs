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
mod matmul;
mod philox;
mod mse;
mod reduce;
mod slice;
mod softmax;
mod squash;
mod squashed_gaussian;
mod unary;
