//! Real suites through a Python worker process.
//!
//! One [`Bridge`] is one group of environments in one long-lived worker: any
//! Python version, a crash of the suite is an error and not the end of the run,
//! and licences stay apart. The worker's source is part of this program. What
//! the two say to each other is in [`protocol`]. A [`LastingBridge`] replaces workers
//! that die.
//!
//! Rendering is nearly all of the cost of real tasks and a worker uses one core;
//! to use more cores, open several bridges.

mod environment;
mod error;
mod green_screen;
mod group;
mod handshake;
mod options;
mod process;
pub mod protocol;
mod python;
mod restart;
mod video;

pub use environment::BridgeEnvironment;
pub use error::{BridgeError, Tail};
pub use group::Bridge;
pub use options::BridgeOptions;
pub use python::{install_command, interpreter};
pub use restart::{LastingBridge, Restarts};
pub use video::VideoDecoder;

fn frame_bytes(image_size: usize) -> usize {
    3 * image_size * image_size
}

fn check_length(
    what: &'static str,
    given: usize,
    expected: usize,
    shape: impl FnOnce() -> String,
) -> Result<(), BridgeError> {
    if given == expected {
        return Ok(());
    }
    Err(BridgeError::WrongLength {
        what,
        given,
        expected,
        shape: shape(),
    })
}
