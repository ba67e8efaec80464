//! Every operation against its float64 reference and finite differences.

#[path = "../common/mod.rs"]
mod common;

mod binary;
mod bytes_to_image;
mod conv2d;
mod crop;
mod matmul;
mod overlay;
mod philox;
mod reduce;
mod resize;
mod shift;
mod texture_to_image;
mod unary;
