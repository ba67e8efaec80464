//! How fast a device does foveate's work, beside how fast it could be.
//!
//! | file | what it holds |
//! |---|---|
//! | `ceiling` | the most that this device does: multiply-adds, copies, dispatches |
//! | `works` | what is measured: operations at the papers' sizes, whole updates |
//! | `subject` | something that can be run over and over |
//! | `stopwatch` | warm-up apart, then samples, by GPU timestamps or wall clock |
//! | `row` | a result: times, rate, per cent of the ceiling |
//!
//! Three steps: [`Stopwatch::new`], [`Ceilings::measure`], and for each of
//! [`works::all`] its [`Work::prepare`] and [`Row::measure`].

mod ceiling;
mod row;
mod stopwatch;
mod subject;
pub mod works;

pub use ceiling::{Ceilings, STEPS as CEILING_STEPS};
pub use row::{Pass, Rate, Row};
pub use stopwatch::{Effort, Samples, Stopwatch};
pub use subject::Subject;
pub use works::{Scale, Work};
