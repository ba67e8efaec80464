//! Weights as files under the released names, and frozen encoders from them.
//!
//! Sabotage that was tried, each by itself, and the tests that it turns red: see the end of
//! `mistakes.rs`.

#[path = "../common/mod.rs"]
mod common;

mod attention;
mod files;
mod golden;
mod mistakes;
mod support;
