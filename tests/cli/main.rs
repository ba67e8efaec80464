//! The program as a person uses it: what it prints, writes and answers to mistakes.
//! Exit code 2 is a user's mistake, 1 a failure; nothing that is typed may panic.

mod agents;
mod attention;
mod collect;
mod dying;
mod encoder;
mod envs;
mod explain;
mod failures;
mod mistakes;
mod pretrain;
mod pretrain_mistakes;
mod probe;
mod profile;
mod results;
mod resuming;
#[path = "../common/skip.rs"]
mod skip;
mod support;
mod sweep;
mod tuning;
