//! The bridge against workers that misbehave. Most of them are shell scripts
//! that replay messages made here, so that no Python is needed; the tests of the
//! embedded worker itself need `python3` and say so where it is missing.
#![cfg(unix)]

mod embedded;
mod fake;
mod faults;
mod parents;
