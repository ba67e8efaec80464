//! The networks, gradients, attributions and updates against tensors that the released
//! implementation of SGQN computed (`tests/fixtures/sgqn`): four samples, two actions,
//! 11 convolutions of 8 filters, a projection to 16, hidden layers of 32.
//!
//! Each test goes through all tensors of its fixture: one that is neither compared nor
//! left out with a reason fails it.

#[path = "../common/mod.rs"]
mod common;

mod actor;
mod attribution;
mod compare;
mod critic;
mod encoder;
mod parameters;
mod sac_update;
mod setup;
mod sgqn_updates;
mod update;
