//! Operations. One file holds one operation: its shapes, its forward pass, its
//! gradient, and which shader runs it. The operation `layer_norm` is
//! `src/ops/layer_norm.rs`, `shaders/layer_norm/`, `tests/ops/layer_norm.rs`.

mod error;
mod lower;
mod op;
mod tensor;
mod var;

pub use error::TapeError;
pub(crate) use lower::{Choosing, Dispatch, OpenChoice, Storage};
pub use lower::{Cost, DispatchBuilder, Lower, Operand};
pub(crate) use op::shape_error;
pub use op::{Backward, Epilogue, Gradient, Op};
pub use tensor::{DType, Tensor};
pub use var::Var;
pub(crate) use var::{Graph, Shared, Source};

mod adam;
mod attention;
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
mod state;
mod texture_to_image;
mod tick;
mod tiled;
mod unary;
mod watch;

pub use adam::{AdamOptions, Schedule};
pub use attention::AttentionOptions;
pub use binary::BinaryKind;
pub use conv2d::Conv2dOptions;
pub use ema::EmaSegment;
pub use occlusion::OcclusionWindows;
pub(crate) use pack::Pack;
pub use philox::{Stream, philox4x32_10};
pub use reduce::ReduceKind;
pub use rise::RiseMasks;
pub use sample_tokens::{SampledOnCpu, SampledTokens, sample_tokens_on_cpu};
pub use sample_transitions::SampledTransitions;
pub use squashed_gaussian::SquashedGaussian;
pub use unary::UnaryKind;
pub(crate) use watch::Watch;
