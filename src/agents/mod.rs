//! Agents: one file holds one algorithm, readable next to its paper.

mod agent;
mod collect;
pub mod evaluate;
pub mod explain;
mod eye;
mod latents;
mod learner;
mod memory;
mod observations;
mod pipelines;
mod policy;
mod profiling;
mod replay;
pub mod sac;
pub mod sgqn;
mod snapshot;
mod standardiser;
pub mod svea;
mod trainer;
pub mod tuning;

pub use agent::{Agent, OverlayBank, network_shape};
pub use collect::{Collector, Sight};
pub use eye::{Embedder, Eye, Retina};
pub use latents::LatentStore;
pub use learner::{Learner, LearnerOptions};
pub use memory::{ProgramMemory, TrainingMemory};
pub use observations::{Observations, ObservedShape};
pub use pipelines::PipelineFile;
pub use policy::Policy;
pub use profiling::ProfiledUpdate;
pub use replay::{Replay, ReplayShape, StoredTransition};
pub use snapshot::{Progress, load_agent};
pub use trainer::{Report, Trainer, env_options, evaluation_seed, overlay_bank};
