//! Experiments over many runs: agents × tasks × seeds, and any option as a further axis.
//!
//! | file | what it holds |
//! |---|---|
//! | [`grid`] | the file that says what varies |
//! | [`plan`] | from a grid to its runs: names, order, options |
//! | [`folder`] | where they live, and how far each has come |
//! | [`outcome`] | what came of a run, beside its directory |
//! | [`schedule`] | so many at once, each through training and evaluation |
//! | [`children`] | those as processes of this same program |
//!
//! Every run is a process of its own, so that what ends one leaves the others alone. How
//! far they are is read from what they wrote; whatever ends a sweep, the same command
//! goes on from there. What comes of it all is for [`crate::report`].

pub mod children;
mod error;
pub mod folder;
pub mod grid;
pub mod outcome;
pub mod plan;
pub mod schedule;

pub use children::Children;
pub use error::{GridError, SweepError};
pub use folder::{State, SweepFolder};
pub use grid::Grid;
pub use outcome::{End, Failure, Outcome};
pub use plan::{Plan, PlannedRun};
pub use schedule::{Event, Launch, Stage, sweep};
