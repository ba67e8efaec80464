//! Agents: one file holds one algorithm, readable next to its paper.

mod learner;
pub mod sac;
pub mod sgqn;

pub use learner::{Learner, LearnerOptions, Optimiser};
