//! Sweeps without a device: grids, their expansion, and what is done with what is there.

mod children;
mod folders;
mod grid;
mod growth;
mod schedule;
mod support;
