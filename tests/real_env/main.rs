//! The real suites, where `make real-envs` has been run. Elsewhere every test here says
//! that it was skipped.

mod atari;
mod dm_control;
mod stand_ins;
mod suites;
mod support;
mod videos;
