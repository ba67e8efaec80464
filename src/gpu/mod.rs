//! The device: choosing an adapter, buffers, shaders and pipelines, reading back.
//!
//! There is no global state; several [`Gpu`]s can live in one process, each is a
//! cheap handle to a device and queue of its own or of the caller
//! ([`Gpu::from_wgpu`]).

mod adapter;
mod arena;
mod buffer;
mod choices;
mod cooperative;
mod device;
mod error;
mod frames;
mod kernel;
mod kernels;
mod memory;
mod pages;
mod precision;
pub mod shader;
mod timestamps;

pub use adapter::{AdapterReport, GpuOptions, adapters};
pub use arena::{ARENA_ALIGNMENT, Arena, ArenaEntry, ArenaLayout};
pub use buffer::{BufferRange, Readback};
pub use choices::{Choices, Tuning, Turn};
pub use cooperative::Cooperative;
pub use device::{Capabilities, Gpu};
pub use error::GpuError;
pub use frames::{FrameShape, FrameStore};
pub use kernel::{Bound, Kernel, ParamBlock, Value};
pub use kernels::KernelsMade;
pub(crate) use pages::NoPages;
pub use pages::Pages;
pub use precision::Precision;
pub(crate) use timestamps::Timestamps;
