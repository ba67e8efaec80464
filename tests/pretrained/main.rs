//! Weights as files under the released names, and frozen encoders from them.
//!
//! Sabotage that was tried, and the tests that it turns red:
//!
//! | broken on purpose | turns red |
//! |---|---|
//! | the blocks' order in the rollout | `maps_are_rows_of_the_shares_and_of_their_product` |
//! | scores over the head's width, not its root | `shares_are_those_of_the_fused_attention` |
//! | f16 read as bf16 | `halves_are_read_as_what_they_mean` |
//! | integers taken for floats | `every_tensor_that_does_not_fit_is_named` |
//! | positions compared to 1e-2 | `trained_positions_are_refused` |
//! | MultiMAE's positions written by cell, not by element | `fixed_position_embeddings_are_written` |
//! | a new run that passes over its `weights` | `tests/cli/pretrain.rs` |

#[path = "../common/mod.rs"]
mod common;

mod attention;
mod files;
mod golden;
mod mistakes;
mod support;
