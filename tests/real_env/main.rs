//! The real suites, where `make real-envs` has been run. Elsewhere every test here says
//! that it was skipped.

mod arcade;
mod atari;
mod dm_control;
#[path = "../common/skip.rs"]
mod skip;
mod stand_ins;
mod suites;
mod support;
mod videos;
