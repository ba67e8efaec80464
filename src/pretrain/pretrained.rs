//! What a run of pretraining has made, to be looked at.

use std::path::Path;

use super::config::PretrainConfig;
use super::learner::PretrainLearner;
use super::trainer::{expected, restore};
use crate::Error;
use crate::agents::tuning;
use crate::gpu::Gpu;
use crate::run::{CheckpointStore, RunDirectory};

/// The model of a run at its newest good checkpoint.
#[derive(Debug)]
pub struct PretrainedRun {
    learner: PretrainLearner,
    step: u64,
}

impl PretrainedRun {
    /// Reads it. Messages for the user (a damaged checkpoint that was passed over) go to
    /// `notice`.
    ///
    /// # Errors
    /// [`Error::NoCheckpoint`]; those of reading and of the device.
    pub fn open(
        gpu: &Gpu,
        run: &Path,
        notice: &mut dyn FnMut(String),
    ) -> Result<PretrainedRun, Error> {
        let directory = RunDirectory::open(run)?;
        let config = PretrainConfig::read(&directory.config())?;
        // It computes with the kernels that it was trained with.
        tuning::restore(gpu, &directory)?;
        let checkpoints = CheckpointStore::new(directory.checkpoints());
        let latest = checkpoints.load_latest(|_| Ok(()))?;
        let latest = latest.ok_or_else(|| Error::NoCheckpoint {
            run: run.to_owned(),
        })?;
        for error in &latest.skipped {
            notice(format!("passed over a checkpoint: {error}"));
        }
        let checkpoint = latest.checkpoint;
        let saliency = (checkpoint.names()).any(|name| name.starts_with("input_adapters.saliency"));
        let learner = PretrainLearner::new(gpu, &config, saliency)?;
        checkpoint.check(&expected(&learner))?;
        restore(gpu, &learner, &checkpoint)?;
        let step = checkpoint.meta().step;
        Ok(PretrainedRun { learner, step })
    }

    /// The model.
    pub fn learner(&self) -> &PretrainLearner {
        &self.learner
    }

    /// Updates that made it.
    pub fn step(&self) -> u64 {
        self.step
    }
}
