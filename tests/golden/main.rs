//! The networks, gradients, attributions and updates against tensors that the released
//! implementation of SGQN computed (`tests/fixtures/sgqn`): four samples, two actions,
//! 11 convolutions of 8 filters, a projection to 16, hidden layers of 32.
//!
//! Each test goes through all tensors of its fixture: one that is neither compared nor
//! left out with a reason fails it.
//!
//! Sabotage that was tried, each by itself, and the tests that it turns red (both of a
//! pair: with every value traced, and as training compiles it):
//!
//! | broken on purpose | turns red |
//! |---|---|
//! | sign of the entropy term: in the target; in the actor's loss | `sac_update` |
//! | `min` over the two critics: Q1 alone in the target; in the actor's loss | `sac_update` |
//! | target networks not updated | `sac_update`, `sgqn_updates`, `tests/update_program` |
//! | the two EMA rates swapped | `sac_update` |
//! | the actor's gradient reaching the encoder (not detached, and in the actor's optimiser) | `sac_update` |
//! | the ReLU rule of guided backprop: the true gradient | `attribution`, `sgqn_updates` |
//! | the mask inverted | `attribution`, `sgqn_updates` |
//! | the mask's quantile over all frames at once | `attribution`, `sgqn_updates` |
//! | the consistency term detached: as a whole; Q(s) alone; Q(s⊙mask) alone | `sgqn_updates` |
//! | observations not shifted: `obs`; `next_obs`; both by one draw | `tests/update_program` |
//! | CURL: W transposed; the positives by the online encoder | `curl` |
//! | SODA: the unbiased variance; vectors not at length 1; the target not updated | `soda` |
//! | observations not cropped; by one draw; at one place more | `tests/update_program` |
//! | pictures overlaid in every turn; the count of updates not advanced | `tests/update_program` |
//! | a frame stack that crosses an episode's end; an end that goes unnoticed | `tests/replay.rs` |
//! | a time limit treated as terminal | `tests/replay.rs` |
//! | transitions kept although their frames are overwritten | `tests/replay.rs` |

#[path = "../common/mod.rs"]
mod common;

mod actor;
mod attribution;
mod compare;
mod critic;
mod curl;
mod encoder;
mod mae;
mod multimae;
mod occlusion;
mod parameters;
mod sac_update;
mod setup;
mod sgqn_updates;
mod soda;
mod svea;
mod update;
