//! Every operation against its float64 reference and finite differences.

#[path = "../common/mod.rs"]
mod common;

mod adam;
mod binary;
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
