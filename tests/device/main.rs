//! Devices that foveate cannot use: too small, or lost.

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/end.rs"]
mod end;

mod limits;
mod loss;
mod setup;
mod training;
