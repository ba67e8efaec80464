//! Agents: one file holds one algorithm, readable next to its paper.

mod agent;
mod batches;
mod collect;
pub mod curl;
pub mod evaluate;
pub mod explain;
mod eye;
mod learner;
mod memory;
mod observations;
pub mod pad;
mod pipelines;
mod policy;
mod profiling;
mod replay;
pub mod sac;
pub mod sgqn;
mod snapshot;
pub mod soda;
mod standardiser;
pub mod svea;
mod trainer;
pub mod tuning;

pub use agent::{Agent, network_shape};
pub use batches::OverlayBank;
pub use collect::{Collector, Sight};
pub use eye::{Embedder, Eye, Framing, Retina};
pub use learner::{Learner, LearnerOptions};
pub use memory::{ProgramMemory, TrainingMemory};
pub use observations::{LatentStore, Observations, ObservedShape};
pub use pipelines::PipelineFile;
pub use policy::Policy;
pub use profiling::ProfiledUpdate;
pub use replay::{Replay, ReplayShape, StoredTransition};
pub use snapshot::{Progress, load_agent};
pub use trainer::{Report, Trainer, env_options, evaluation_seed, overlay_bank};
