//! **foveate** trains and explains visual agents. It is written for any Vulkan,
//! Metal or DX12 GPU and for software Vulkan: all arithmetic is done by hand-written
//! WGSL compute shaders (the `shaders/` folder); a thin autograd [`tape`] in Rust
//! records what to run, differentiates it and compiles it into a [`tape::Program`]
//! that is replayed without allocation, readback or hidden submits.
//!
//! The layers, from the bottom up (a module uses only those above it in this list):
//!
//! | module | what it holds |
//! |---|---|
//! | [`gpu`] | device, buffers, shader registry, errors of the device |
//! | [`ops`] | one file per operation: shapes, forward, gradient, its shader |
//! | [`tape`] | record → differentiate → compile → replay |
//! | [`nn`] | layers, encoders, parameters, initialisation |
//! | [`saliency`] | attribution to pixels (gradient, guided backprop, Grad-CAM, occlusion, RISE), quantile masks, filling, scores |
//! | [`media`] | pictures: files, panels, curves, animations |
//! | [`data`] | sets of images and saliency maps, read from files and written to them |
//! | [`run`], [`config`] | run directories, checkpoints, options |
//! | [`pretrained`] | weights of vision transformers as files; their encoders, frozen |
//! | [`envs`] | native worlds drawn on the GPU; the bridge to real suites |
//! | [`agents`] | SAC, SGQN, their baselines, DQN |
//! | [`mod@pretrain`] | masked autoencoders, trained on images |
//! | [`mod@bench`] | how fast a device does all that, beside how fast it could be |
//! | [`mod@sweep`], [`report`] | experiments over many runs; their tables, curves and page |
//! | [`cli`] | the command line |

pub mod agents;
pub mod bench;
pub mod cli;
pub mod config;
pub mod data;
pub mod envs;
mod error;
mod files;
pub mod gpu;
pub mod media;
pub mod nn;
pub mod ops;
pub mod pretrain;
pub mod pretrained;
pub mod report;
pub mod run;
pub mod saliency;
mod shell;
pub mod sweep;
pub mod tape;

pub use error::{Error, Result, with_causes};
pub use wgpu;
