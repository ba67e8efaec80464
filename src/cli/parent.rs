//! The end of a child with its parent.
//!
//! `foveate sweep` keeps one end of a pipe open for as long as it lives and gives the
//! other to its children as standard input. It closes however the parent ends, on every
//! system, so that no child trains on unseen, in a directory that the next sweep needs.
//! A run survives being ended at any instant.

use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Time for the driver's own clean-up, which other threads may keep from its end.
const PATIENCE: Duration = Duration::from_secs(5);
/// Exit code of a process whose parent is gone.
const GONE: i32 = 1;

static IS_CHILD: AtomicBool = AtomicBool::new(false);

/// Whether this process ends with its parent.
pub(super) fn is_child() -> bool {
    IS_CHILD.load(Ordering::SeqCst)
}

/// Ends this process when standard input closes.
pub(super) fn end_with_it() {
    IS_CHILD.store(true, Ordering::SeqCst);
    std::thread::spawn(|| {
        let mut nothing = [0; 64];
        let mut input = std::io::stdin().lock();
        while matches!(input.read(&mut nothing), Ok(read) if read > 0) {}
        end_now(GONE);
    });
}

/// Ends this process from a thread that is not the main one, whatever the others do.
pub(super) fn end_now(code: i32) -> ! {
    std::thread::spawn(|| {
        std::thread::sleep(PATIENCE);
        std::process::abort();
    });
    std::process::exit(code)
}
