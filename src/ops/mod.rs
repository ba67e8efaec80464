//! Operations. One file holds one operation: its shapes, its forward pass, its
//! gradient, and which shader runs it. The operation `layer_norm` is
//! `src/ops/layer_norm.rs`, `shaders/layer_norm/`, `tests/ops/layer_norm.rs`.

mod error;
mod lower;
mod op;
mod tensor;
mod var;

pub use error::TapeError;
pub use lower::{DispatchBuilder, Lower, Operand};
pub(crate) use lower::{Dispatch, Storage};
pub use op::{Backward, Epilogue, Gradient, Op};
pub(crate) use op::shape_error;
pub use tensor::{DType, Tensor};
pub use var::Var;
pub(crate) use var::{Graph, Shared, Source};

mod adam;
mod binary;
mod clip_norm;
mod conv2d;
mod ema;
mod fill_range;
mod mask;
mod matmul;
mod pack;
mod quantile;
mod reduce;
mod reshape;
mod state;
mod tick;
mod unary;
mod watch;

pub use adam::AdamOptions;
pub use binary::BinaryKind;
pub use conv2d::Conv2dOptions;
pub use ema::EmaSegment;
pub use reduce::ReduceKind;
pub use unary::UnaryKind;
pub(crate) use pack::Pack;
pub(crate) use watch::Watch;
