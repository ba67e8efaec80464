//! Ctrl-C: while training listens, the first asks it to stop where it can be gone on from;
//! every other ends the program.

use std::ops::ControlFlow;
use std::sync::Once;
use std::sync::atomic::{AtomicU8, Ordering};

use super::output::note;
use super::parent::{end_now, is_child};

/// As shells report a program that Ctrl-C ended.
pub(super) const EXIT_CODE: i32 = 130;

// Signals are the process's: there is one state for all of it.
const NOBODY_LISTENS: u8 = 0;
const LISTENING: u8 = 1;
const ASKED: u8 = 2;
static STATE: AtomicU8 = AtomicU8::new(NOBODY_LISTENS);

/// Listens as long as it lives.
#[derive(Debug)]
pub(super) struct Interrupt(());

impl Interrupt {
    pub fn listen() -> Interrupt {
        static HANDLER: Once = Once::new();
        HANDLER.call_once(|| {
            // Without a handler Ctrl-C ends the program, which loses no checkpoint either.
            let _ = ctrlc::set_handler(pressed);
        });
        STATE.store(LISTENING, Ordering::SeqCst);
        Interrupt(())
    }

    /// Whether to go on: not once Ctrl-C was pressed.
    pub fn flow(&self) -> ControlFlow<()> {
        match STATE.load(Ordering::SeqCst) {
            ASKED => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        STATE.store(NOBODY_LISTENS, Ordering::SeqCst);
    }
}

fn pressed() {
    let first = STATE.compare_exchange(LISTENING, ASKED, Ordering::SeqCst, Ordering::SeqCst);
    match first {
        // The same Ctrl-C ends its parent, and that ends it.
        Ok(_) if is_child() => {}
        Ok(_) => note(
            "Ctrl-C: stopping with a checkpoint after this step or evaluation; once more ends at once, without",
        ),
        Err(_) => end_now(EXIT_CODE),
    }
}
