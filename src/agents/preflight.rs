//! What a run will need only later, looked at before it begins.

use std::path::PathBuf;

use super::choices::Choices;
use super::trainer::env_options;
use crate::Error;
use crate::config::Config;
use crate::envs::backgrounds::Backgrounds;
use crate::envs::native::Mode;
use crate::envs::{EnvSpec, is_discrete};
use crate::media::image_file;
use crate::run::{CheckpointStore, RunDirectory};

/// Whether the folder of backgrounds that a configuration names is there and every file in it
/// is a clip. Only evaluations show them, long after training has begun. Videos are looked at
/// through a Python process.
///
/// # Errors
/// Those of [`Backgrounds::of_folder`] and [`Backgrounds::check`].
pub fn check_backgrounds(config: &Config, python: Option<PathBuf>) -> Result<(), Error> {
    match &config.backgrounds {
        Some(folder) => Backgrounds::of_folder(folder, config.rendered_size(), python)?.check(),
        None => Ok(()),
    }
}

/// Whether the folder of overlays that a configuration names, if its agent needs any, is
/// there and holds pictures. A trainer reads them all before it begins.
///
/// # Errors
/// Those of [`image_file::list`].
pub fn check_overlays(config: &Config) -> Result<(), Error> {
    if let (Some(folder), true) = (&config.overlays, config.overlays_pictures()) {
        image_file::list(folder)?;
    }
    Ok(())
}

/// What a run's environment is, if the agent can act in it. A real suite is asked through
/// a Python process.
///
/// # Errors
/// Those of [`EnvOptions::describe`](crate::envs::EnvOptions::describe) and
/// [`Choices::of_agent`].
pub fn describe_world(config: &Config, python: Option<PathBuf>) -> Result<EnvSpec, Error> {
    if is_discrete(&config.env) && !config.agent.chooses() {
        // Before Python is asked how many there are.
        return Err(Error::DiscreteActions {
            agent: config.agent,
            env: config.env.clone(),
            count: None,
        });
    }
    let spec = env_options(config, Mode::Train, 1, python).describe()?;
    Choices::of_agent(config, spec.actions())?;
    Ok(spec)
}

/// Whether a run is at its end, `steps` agent steps, and its summary is of that end, not
/// of an earlier one that it was lengthened from: then a trainer would have nothing left
/// to do.
///
/// # Errors
/// [`Error::PastSteps`] for a run that has trained longer than that; those of
/// [`CheckpointStore::load_latest`].
pub fn is_finished(directory: &RunDirectory, config: &Config, steps: u64) -> Result<bool, Error> {
    let checkpoints = CheckpointStore::new(directory.checkpoints());
    let Some(latest) = checkpoints.load_latest(|_| Ok(()))? else {
        return Ok(false);
    };
    let meta = latest.checkpoint.meta();
    if meta.step > steps {
        return Err(Error::PastSteps {
            run: directory.root().to_path_buf(),
            done: meta.step,
            given: config.steps,
            steps,
        });
    }
    // Of another configuration: a trainer says what does not fit.
    let is_its_end = meta.step == steps && meta.config == config.digest()?;
    Ok(is_its_end && directory.ended_at() == Some(steps))
}
