//! Run directories: where a run lives on disk and how it survives a kill.
//!
//! Nothing here knows about networks or GPUs: bytes in, bytes out.
//!
//! | file | what it is |
//! |---|---|
//! | [`directory`] | the layout of a run directory and the lock on it |
//! | [`metrics`] | `metrics.jsonl` |
//! | [`tensorboard`] | event files for TensorBoard |
//! | [`checkpoint`] | named tensors and where everything else stood |
//! | [`trace`] | what happened when, for ui.perfetto.dev |
//! | [`replay_log`] | the replay, written incrementally beside the checkpoints |
//!
//! At a checkpoint a trainer syncs the logs and the replay first and writes the
//! checkpoint last. The checkpoint records how far the others had come, so that
//! whatever a kill leaves behind, resuming cuts them back to the same moment.

pub(crate) mod atomic;
pub mod checkpoint;
mod container;
pub mod directory;
mod error;
pub(crate) mod lock;
pub mod metrics;
pub mod replay_log;
mod segment;
pub mod tensorboard;
pub mod trace;

pub use checkpoint::{Checkpoint, CheckpointMeta, CheckpointStore, LoadedLatest, Saved};
pub use container::{ElementType, NamedTensor, TensorSpec};
pub use directory::RunDirectory;
pub use error::RunError;
pub use metrics::MetricsWriter;
pub use replay_log::{ReplayChunk, ReplayLayout, ReplayLog, ReplayPosition, ReplayReader};
pub use tensorboard::TensorboardWriter;
pub use trace::Trace;
