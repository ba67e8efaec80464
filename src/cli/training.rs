//! A training to its end: shown while it goes on, stopped by Ctrl-C where it can be gone on
//! from, and followed by the command that goes on wherever it stops.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::error::CliError;
use super::interrupt::Interrupt;
use super::progress::Progress;
use crate::Error;
use crate::agents::Report;
use crate::run::RunDirectory;

/// The configuration of the run that is to go on, as `read` has it; where it is one that
/// `other` reads, the run is of the command `right`.
///
/// # Errors
/// [`CliError::OtherCommand`]; those of reading.
pub(super) fn saved_config<Saved, Other, E>(
    directory: &RunDirectory,
    read: impl Fn(&Path) -> Result<Saved, E>,
    other: impl Fn(&Path) -> Result<Other, E>,
    right: &'static str,
) -> Result<Saved, CliError>
where
    CliError: From<E>,
{
    let file = directory.config();
    match read(&file) {
        Err(_) if other(&file).is_ok() => Err(CliError::OtherCommand {
            run: directory.root().to_path_buf(),
            right,
        }),
        saved => Ok(saved?),
    }
}

/// Has `train` run, a trainer whose `checkpoints` are there and that the command `resume`
/// goes on with; it is given what is to be called after every step. Returns the steps of the
/// run, 0 if there were none left to take.
///
/// # Errors
/// [`CliError::Interrupted`] after Ctrl-C; [`CliError::Stopped`] where the run can be gone on
/// from; the other errors of `train`.
pub(super) fn to_its_end(
    quiet: bool,
    checkpoints: PathBuf,
    resume: &str,
    train: impl FnOnce(&mut dyn FnMut(&Report) -> ControlFlow<()>) -> Result<ControlFlow<()>, Error>,
) -> Result<u64, CliError> {
    let mut progress = Progress::new(quiet);
    let (mut step, mut steps) = (0, 0);
    let interrupt = Interrupt::listen();
    let outcome = train(&mut |report| {
        (step, steps) = (report.step, report.steps);
        progress.report(report);
        interrupt.flow()
    });
    // Pressed after the last step it counts too.
    let flow = interrupt.flow();
    drop(interrupt);
    progress.finish();
    let trained = outcome.map_err(|error| CliError::stopped(error, resume))?;
    if trained.is_break() || flow.is_break() {
        return Err(CliError::Interrupted {
            step,
            checkpoints,
            resume: resume.to_owned(),
        });
    }
    Ok(steps)
}
