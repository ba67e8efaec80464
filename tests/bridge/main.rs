//! The bridge against workers that misbehave. Most of them are shell scripts that replay
//! messages made here, so that no Python is needed; `stub_worker.py` needs `python3` and
//! its standard library alone. The tests of the embedded worker itself say so where
//! `python3` is missing.
#![cfg(unix)]

mod embedded;
mod fake;
mod faults;
mod parents;
mod restart;
#[path = "../common/skip.rs"]
mod skip;
mod stub;
