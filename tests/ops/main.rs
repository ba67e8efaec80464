//! Every operation against its float64 reference and finite differences.

#[path = "../common/mod.rs"]
mod common;

mod adam;
mod binary;
mod conv2d;
mod matmul;
mod philox;
mod reduce;
mod unary;
