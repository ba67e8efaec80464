//! Pretraining from its first update, or from its last checkpoint, to its end. A run that
//! is killed at any instant and resumed ends with the same bits. One that is stopped with a
//! checkpoint does too, but a line of its metrics is two: losses are means since the last.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use super::config::PretrainConfig;
use super::learner::{Pictures, PretrainLearner};
use crate::Error;
use crate::agents::{Report, tuning};
use crate::gpu::{Gpu, Readback};
use crate::ops::DType;
use crate::pretrained::Loaded;
use crate::run::{
    Checkpoint, CheckpointMeta, CheckpointStore, ElementType, MetricsWriter, NamedTensor,
    RunDirectory, TensorSpec, TensorboardWriter,
};
use crate::tape::Program;

/// Key of a checkpoint's metadata: [`Pictures::digest`] of the images that train.
const IMAGES: &str = "images";

/// A run of pretraining.
pub struct PretrainTrainer {
    gpu: Gpu,
    config: PretrainConfig,
    learner: PretrainLearner,
    update: Program,
    /// [`Pictures::digest`] of the images that train.
    images: String,
    step: u64,
    directory: RunDirectory,
    metrics: MetricsWriter,
    tensorboard: TensorboardWriter,
    checkpoints: CheckpointStore,
    started: Instant,
}

/// Whether the pretraining in `directory` is at the end of `config`, measured and summed up:
/// there is nothing left to do.
///
/// # Errors
/// Those of [`CheckpointStore::load_latest`].
pub fn is_finished(directory: &RunDirectory, config: &PretrainConfig) -> Result<bool, Error> {
    let checkpoints = CheckpointStore::new(directory.checkpoints());
    let Some(latest) = checkpoints.load_latest(|_| Ok(()))? else {
        return Ok(false);
    };
    let meta = latest.checkpoint.meta();
    // Of another configuration: a trainer says what does not fit.
    let is_its_end = meta.step == config.steps && meta.config == config.digest()?;
    let has_results = directory.ended_at() == Some(config.steps) && directory.weights().is_file();
    Ok(is_its_end && has_results)
}

impl std::fmt::Debug for PretrainTrainer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PretrainTrainer(at step {})", self.step)
    }
}

impl PretrainTrainer {
    /// Opens a run: a new one, or the last good checkpoint of an old one. Messages for
    /// the user (a damaged checkpoint that was passed over) go to `notice`.
    ///
    /// # Errors
    /// [`Error::OtherImages`]; those of the device, and of the run directory.
    pub fn new(
        gpu: &Gpu,
        config: &PretrainConfig,
        pictures: &Pictures,
        directory: RunDirectory,
        notice: &mut dyn FnMut(String),
    ) -> Result<PretrainTrainer, Error> {
        let gpu = &gpu.with_precision(config.precision)?;
        let learner = PretrainLearner::new(gpu, config, pictures.has_saliency())?;
        let checkpoints = CheckpointStore::new(directory.checkpoints());
        let specs = expected(&learner);
        let mut begins_with_weights = false;
        let meta = match checkpoints.load_latest(|c| c.check(&specs))? {
            Some(latest) => {
                for error in &latest.skipped {
                    notice(format!("passed over a checkpoint: {error}"));
                }
                let meta = latest.checkpoint.meta();
                require_images(meta, pictures, &directory)?;
                restore(gpu, &learner, &latest.checkpoint)?;
                meta.clone()
            }
            None => {
                if directory.has_begun() {
                    notice(directory.begins_again());
                }
                if !config.weights.is_empty() {
                    let loaded = learner.load_weights(gpu, Path::new(&config.weights))?;
                    notice(format!(
                        "begins with {} in '{}'",
                        match loaded {
                            Loaded::All => "the weights of the whole model",
                            Loaded::Encoder =>
                                "the encoder's weights, and fresh decoders, as there are none",
                        },
                        config.weights
                    ));
                    begins_with_weights = true;
                }
                CheckpointMeta::default()
            }
        };
        checkpoints.rewind_to(meta.step)?;
        tuning::restore(gpu, &directory)?;
        let update = learner.compile_update(gpu, pictures)?;
        tuning::note(gpu, update.dispatches().map(|d| d.1), &directory, notice)?;
        let mut trainer = PretrainTrainer {
            update,
            metrics: MetricsWriter::open(directory.metrics(), meta.metrics)?,
            tensorboard: TensorboardWriter::open(&directory.tensorboard(), meta.tensorboard)?,
            gpu: gpu.clone(),
            config: config.clone(),
            learner,
            images: pictures.digest().to_owned(),
            step: meta.step,
            directory,
            checkpoints,
            started: Instant::now(),
        };
        if begins_with_weights {
            // The file may have changed when the run is resumed. No mere copy of it: that
            // could not be told from the weights of a first checkpoint that was cut short.
            trainer.checkpoint()?;
        }
        Ok(trainer)
    }

    /// The model.
    pub fn learner(&self) -> &PretrainLearner {
        &self.learner
    }

    /// The run directory.
    pub fn directory(&self) -> &RunDirectory {
        &self.directory
    }

    /// Trains to the end; `watch` is called after every update and may have it stop there,
    /// with a checkpoint. Returns what it last answered.
    ///
    /// # Errors
    /// [`Error::NonFinite`]; [`Error::TrainingDeviceLost`]; those of writing.
    pub fn run(
        &mut self,
        watch: &mut dyn FnMut(&Report) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, Error> {
        let outcome = self.steps(watch);
        outcome.map_err(|error| match error.device_lost() {
            Some(reason) => Error::TrainingDeviceLost {
                run: self.directory.root().to_path_buf(),
                step: self.step,
                reason: reason.to_string(),
            },
            None => error,
        })
    }

    fn steps(
        &mut self,
        watch: &mut dyn FnMut(&Report) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, Error> {
        let mut report = Report {
            steps: self.config.steps,
            ..Default::default()
        };
        let (mut saved, mut flow) = (self.step, ControlFlow::Continue(()));
        while self.step < self.config.steps {
            self.update.run()?;
            self.step += 1;
            if self.step.is_multiple_of(self.config.log_freq) {
                report.losses = self.log()?;
            }
            report.step = self.step;
            report.updates = self.step;
            flow = watch(&report);
            if self.step.is_multiple_of(self.config.checkpoint_freq) {
                self.checkpoint()?;
                saved = self.step;
            }
            if flow.is_break() {
                break;
            }
        }
        // A run that ended before there were weights in files gets them.
        let written = saved == self.step && self.directory.weights().is_file();
        if !written {
            self.checkpoint()?;
        }
        Ok(flow)
    }

    /// Writes the mean of the losses since the last time; one that is not finite stops
    /// training before it can reach a checkpoint.
    fn log(&mut self) -> Result<Vec<(String, f32)>, Error> {
        let names = self.update.watched().to_vec();
        let rows = self.update.watched_blocking()?;
        if rows.is_empty() {
            return Ok(vec![]);
        }
        let mean = |i: usize| rows.iter().map(|r| r.values[i]).sum::<f32>() / rows.len() as f32;
        let losses: Vec<(String, f32)> = (names.into_iter().enumerate())
            .map(|(i, name)| (name, mean(i)))
            .collect();
        if let Some((name, value)) = losses.iter().find(|(_, v)| !v.is_finite()) {
            return Err(Error::NonFinite {
                what: name.clone(),
                value: *value,
                step: self.step,
            });
        }
        let rate = self.config.optimiser();
        let lr = rate.schedule.lr(rate.lr, (self.step - 1) as u32);
        let mut values: Vec<(&str, f64)> = (losses.iter())
            .map(|(name, value)| (name.as_str(), f64::from(*value)))
            .collect();
        values.push(("lr", lr));
        let seconds = self.metrics.earlier_seconds() + self.started.elapsed().as_secs_f64();
        self.metrics
            .write("pretrain", self.step, seconds, &values)?;
        let named: Vec<(String, f32)> = (values.iter())
            .map(|(name, value)| (format!("pretrain/{name}"), *value as f32))
            .collect();
        let scalars: Vec<(&str, f32)> = named.iter().map(|(n, v)| (n.as_str(), *v)).collect();
        let wall = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0.0, |d| d.as_secs_f64());
        self.tensorboard.scalars(wall, self.step, &scalars)?;
        Ok(losses)
    }

    fn checkpoint(&mut self) -> Result<(), Error> {
        self.log()?;
        let tensors = self.learner.tensors();
        let ranges: Vec<_> = tensors.iter().map(|t| t.3.clone()).collect();
        let total = ranges.iter().map(|r| r.size).sum();
        let bytes = Readback::new(&self.gpu, total)?.read_blocking(&ranges)?;
        let (mut at, mut named) = (0, vec![]);
        for (name, shape, dtype, range) in &tensors {
            let end = at + range.size as usize;
            let values = &bytes[at..end];
            named.push(NamedTensor::new(
                name.clone(),
                element(*dtype),
                shape,
                values,
            ));
            at = end;
        }
        let meta = CheckpointMeta {
            step: self.step,
            config: self.config.digest()?,
            metrics: self.metrics.sync()?,
            tensorboard: self.tensorboard.sync()?,
            extra: [(IMAGES.to_owned(), self.images.clone().into())]
                .into_iter()
                .collect(),
            ..Default::default()
        };
        // First: killed between the two, the run takes these steps again, and writes the
        // same weights.
        self.learner
            .save_weights(&self.gpu, &self.directory.weights())?;
        self.checkpoints.save(&meta, &named)?;
        Ok(())
    }
}

/// Whether these are the images that the run of a checkpoint began with, as far as it says:
/// those from before this was kept do not.
fn require_images(
    meta: &CheckpointMeta,
    pictures: &Pictures,
    directory: &RunDirectory,
) -> Result<(), Error> {
    let began = meta.extra.get(IMAGES).and_then(|digest| digest.as_str());
    match began.is_none_or(|digest| digest == pictures.digest()) {
        true => Ok(()),
        false => Err(Error::OtherImages {
            run: directory.root().to_path_buf(),
        }),
    }
}

/// Writes a checkpoint's tensors into a learner, which it fits.
///
/// # Errors
/// Those of reading.
pub(super) fn restore(
    gpu: &Gpu,
    learner: &PretrainLearner,
    checkpoint: &Checkpoint,
) -> Result<(), Error> {
    for (name, _, _, range) in learner.tensors() {
        gpu.write(&range, checkpoint.bytes(&name)?)?;
    }
    Ok(())
}

/// Tensors that a checkpoint of this learner has.
pub(super) fn expected(learner: &PretrainLearner) -> Vec<TensorSpec> {
    (learner.tensors().into_iter())
        .map(|(name, shape, dtype, _)| TensorSpec {
            name,
            element: element(dtype),
            shape: Some(shape),
        })
        .collect()
}

fn element(dtype: DType) -> ElementType {
    match dtype {
        DType::F32 => ElementType::F32,
        DType::U32 => ElementType::U32,
        DType::U8 => ElementType::U8,
    }
}
