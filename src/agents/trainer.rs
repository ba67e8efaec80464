//! Training: act, learn, step, remember (SPEC.md A.4), with everything that a run
//! writes. A run that is killed at any instant and resumed ends with the same bits.

use std::ops::ControlFlow;
use std::time::Instant;

use super::agent::Agent;
use super::batches::OverlayBank;
use super::evaluate::{self, Actor, Episode};
use super::eye::{Eye, Retina};
use super::memory::{self, ProgramMemory, TrainingMemory};
use super::policy::Policy;
use super::preflight::describe_world;
use super::profiling::{ProfiledUpdate, Profiling};
use super::replay::{Replay, ReplayShape, StoredTransition};
use super::snapshot::{self, Progress};
use super::tuning;
use crate::config::Config;
use crate::envs::bridge::BridgeError;
use crate::envs::native::Mode;
use crate::envs::{EnvError, EnvOptions, EnvSpec, Environment, Transition, open};
use crate::gpu::Gpu;
use crate::media::image_file::{self, Fit};
use crate::run::{
    CheckpointMeta, CheckpointStore, MetricsWriter, ReplayLog, RunDirectory, TensorboardWriter,
};
use crate::{Error, envs::native::picture::procedural_picture};

/// What a person watches while training runs.
#[derive(Debug, Clone, Default)]
pub struct Report {
    pub step: u64,
    pub steps: u64,
    pub updates: u64,
    /// Whether this step was before learning began: those to come are slower.
    pub before_learning: bool,
    /// Return of the last whole episode.
    pub episode_return: Option<f32>,
    /// Latest watched scalars.
    pub losses: Vec<(String, f32)>,
    /// Mean returns of an evaluation that just ended: (mode, return).
    pub evaluation: Option<(String, f32)>,
    /// What happened in this step that a person should know.
    pub notices: Vec<String>,
}

/// Where training stands besides what is on the device.
pub struct Trainer {
    gpu: Gpu,
    config: Config,
    spec: EnvSpec,
    agent: Agent,
    policy: Policy,
    replay: Replay,
    retina: Retina,
    env: Box<dyn Environment>,
    progress: Progress,
    /// Step of the last checkpoint.
    saved: u64,
    directory: RunDirectory,
    metrics: MetricsWriter,
    tensorboard: TensorboardWriter,
    checkpoints: CheckpointStore,
    log: ReplayLog,
    memory: TrainingMemory,
    started: Instant,
    python: Option<std::path::PathBuf>,
    profiling: Option<Profiling>,
}

impl std::fmt::Debug for Trainer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Trainer({} at step {})",
            self.config.env, self.progress.step
        )
    }
}

/// How the environment of training is opened.
pub fn env_options(
    config: &Config,
    mode: Mode,
    count: usize,
    python: Option<std::path::PathBuf>,
) -> EnvOptions {
    EnvOptions {
        id: config.env.clone(),
        count,
        image_size: config.rendered_size(),
        seed: config.seed,
        mode,
        action_repeat: config.action_repeat,
        evaluation: false,
        backgrounds: config.backgrounds.clone(),
        python,
    }
}

/// One environment as agents are trained in it and judged meanwhile: no background is seen.
fn train_options(config: &Config, python: Option<std::path::PathBuf>) -> EnvOptions {
    EnvOptions {
        backgrounds: None,
        ..env_options(config, Mode::Train, 1, python)
    }
}

/// The pictures that are laid over observations: a folder's, or procedural ones.
pub fn overlay_bank(gpu: &Gpu, config: &Config) -> Result<OverlayBank, Error> {
    let side = config.image_size;
    let pictures: Vec<Vec<u8>> = match &config.overlays {
        Some(folder) => (image_file::read_square(folder, side, Fit::CentreCrop)?.into_iter())
            .map(|(_, picture)| picture.to_chw())
            .collect(),
        None => (0..config.overlay_pictures)
            .map(|i| procedural_picture(config.seed, i as u32, side))
            .collect(),
    };
    Ok(OverlayBank::new(gpu, &pictures, side)?)
}

impl Trainer {
    /// Opens a run: a new one, or the last good checkpoint of an old one. Messages for
    /// the user (a damaged checkpoint that was passed over) go to `notice`.
    pub fn new(
        gpu: &Gpu,
        config: &Config,
        directory: RunDirectory,
        python: Option<std::path::PathBuf>,
        notice: &mut dyn FnMut(String),
    ) -> Result<Trainer, Error> {
        let spec = describe_world(config, python.clone())?;
        Trainer::in_world(gpu, config, spec, directory, python, notice)
    }

    /// [`Trainer::new`] in an environment that has been described
    /// ([`describe_world`]).
    pub fn in_world(
        gpu: &Gpu,
        config: &Config,
        spec: EnvSpec,
        directory: RunDirectory,
        python: Option<std::path::PathBuf>,
        notice: &mut dyn FnMut(String),
    ) -> Result<Trainer, Error> {
        tuning::restore(gpu, &directory)?;
        let eye = Eye::of_run(gpu, config, &directory)?;
        let mut agent = Agent::with_eye(gpu, config, spec.actions(), eye)?;
        let shape = ReplayShape {
            capacity: config.replay_capacity,
            frame_stack: config.frame_stack,
            action_dim: spec.action_dim,
            observed: agent.eye().observed(),
            episode_steps: spec.episode_steps,
        };
        let mut replay = Replay::new(gpu, shape)?;
        let retina = Retina::new(gpu, agent.eye(), replay.store())?;
        let options = train_options(config, python.clone());
        let mut env = open(gpu, retina.canvas(), &options)?;
        let checkpoints = CheckpointStore::new(directory.checkpoints());
        let restored = snapshot::restore_latest(
            &directory,
            &checkpoints,
            &agent,
            &mut replay,
            env.as_mut(),
            notice,
        )?;
        if restored.is_none() && directory.has_begun() {
            notice(directory.begins_again());
        }
        let (mut progress, meta) = restored.unwrap_or_else(|| {
            let fresh = Progress {
                next_evaluation: config.eval_freq,
                ..Default::default()
            };
            (fresh, CheckpointMeta::default())
        });
        // They may be asked for more often than before.
        let at_the_latest = progress.step + config.eval_freq;
        progress.next_evaluation = progress.next_evaluation.min(at_the_latest);
        checkpoints.rewind_to(progress.step)?;

        let overlays = match config.overlays_pictures() {
            true => Some(overlay_bank(gpu, config)?),
            false => None,
        };
        agent.compile_updates(&replay, overlays.as_ref())?;
        let policy = agent.policy(replay.store(), 1)?;
        let programs = (agent.updates().map(|(_, program)| program)).chain(retina.program());
        let kernels = programs.flat_map(|p| p.dispatches()).map(|d| d.1);
        tuning::note(gpu, kernels, &directory, notice)?;
        Ok(Trainer {
            metrics: MetricsWriter::open(directory.metrics(), meta.metrics)?,
            tensorboard: TensorboardWriter::open(&directory.tensorboard(), meta.tensorboard)?,
            log: ReplayLog::open(
                directory.replay(),
                snapshot::replay_layout(&replay),
                meta.replay,
            )?,
            memory: TrainingMemory::of(&agent, &policy, &retina, &replay, overlays.as_ref()),
            gpu: gpu.clone(),
            config: config.clone(),
            spec,
            agent,
            policy,
            replay,
            retina,
            env,
            saved: progress.step,
            progress,
            directory,
            checkpoints,
            started: Instant::now(),
            python,
            profiling: None,
        })
    }

    /// Has the last `count` updates of the run profiled. They are updates like all
    /// others: the run ends with the same bits.
    pub fn profile_last(&mut self, count: u64) -> Result<(), Error> {
        self.profiling = Some(Profiling::new(&self.gpu, count)?);
        Ok(())
    }

    /// The updates that were profiled, in order.
    pub fn profiled(&self) -> &[ProfiledUpdate] {
        self.profiling.as_ref().map_or(&[], Profiling::updates)
    }

    /// The agent.
    pub fn agent(&self) -> &Agent {
        &self.agent
    }

    /// The run directory.
    pub fn directory(&self) -> &RunDirectory {
        &self.directory
    }

    /// What the run takes on the device.
    pub fn memory(&self) -> TrainingMemory {
        self.memory
    }

    /// What each compiled program takes of it.
    pub fn program_memory(&self) -> Vec<ProgramMemory> {
        memory::programs(&self.agent, &self.policy, &self.retina)
    }

    /// Updates so far.
    pub fn updates(&self) -> u64 {
        self.progress.updates
    }

    /// Trains to the end; `watch` is called after every agent step and may have it stop
    /// there: then a checkpoint of that step is written, and a trainer that resumes from it
    /// comes to the end that this one would have come to.
    ///
    /// Returns what `watch` last answered.
    ///
    /// # Errors
    /// [`Error::NonFinite`]; [`Error::TrainingDeviceLost`], after which another trainer
    /// on another device can go on from the last checkpoint; [`Error::EnvironmentGone`],
    /// after which one can go on from where this one stopped; those of the environment
    /// and of writing.
    pub fn run(
        &mut self,
        watch: &mut dyn FnMut(&Report) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, Error> {
        let error = match self.steps(watch) {
            Ok(flow) => return Ok(flow),
            Err(error) => error,
        };
        let (run, step) = (self.directory.root().to_path_buf(), self.progress.step);
        if let Some(reason) = error.device_lost() {
            let reason = reason.to_string();
            return Err(Error::TrainingDeviceLost { run, step, reason });
        }
        // One that was never there is no news; one that went away, be it that of an
        // evaluation, leaves an agent to be saved.
        let died = |source: &BridgeError| {
            matches!(
                source,
                BridgeError::RepeatedDeaths { .. } | BridgeError::NoEpisodeEnds { .. }
            )
        };
        match error {
            Error::Env(EnvError::Bridge(source)) if step > 0 || died(&source) => {
                Err(Error::EnvironmentGone {
                    run,
                    step,
                    source: Box::new(source),
                    not_saved: self.checkpoint_between().err().map(|e| e.to_string()),
                })
            }
            error => Err(error),
        }
    }

    fn steps(
        &mut self,
        watch: &mut dyn FnMut(&Report) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, Error> {
        let steps = self.config.agent_steps(self.spec.action_repeat);
        let mut report = Report {
            steps,
            ..Default::default()
        };
        let mut flow = ControlFlow::Continue(());
        while self.progress.step < steps {
            self.step(&mut report)?;
            report.step = self.progress.step;
            report.updates = self.progress.updates;
            report.notices.extend(self.env.take_notices());
            report.before_learning = self.progress.updates == 0;
            flow = watch(&report);
            report.notices.clear();
            report.evaluation = None;
            if self
                .progress
                .step
                .is_multiple_of(self.config.checkpoint_freq)
            {
                self.checkpoint()?;
            }
            if flow.is_break() && self.progress.step < steps {
                if self.has_news() {
                    self.checkpoint_between()?;
                }
                return Ok(flow);
            }
        }
        // Not once more what the last checkpoint covers: a run that was killed between
        // its last checkpoint and its end would end with other bits.
        if self.has_news() {
            self.checkpoint()?;
        }
        Ok(flow)
    }

    /// Whether something happened since the last checkpoint: be it a step that a worker
    /// lost, of which the replay knows nothing.
    fn has_news(&self) -> bool {
        self.progress.step > self.saved
    }

    /// One agent step: act, update, step the environment, remember.
    fn step(&mut self, report: &mut Report) -> Result<(), Error> {
        if self.progress.stack.is_empty() {
            self.begin_episode(report)?;
        }
        let step = self.progress.step;
        if step == self.config.init_steps {
            self.agent.standardise(&self.replay)?;
        }
        let action = match self.agent.random_action(step)? {
            Some(action) => action,
            None => {
                let stack = self.progress.stack.iter();
                let slots: Vec<u32> = stack.map(|&f| self.replay.slot(f)).collect();
                self.policy.act(&slots, true)?
            }
        };
        if step >= self.config.init_steps {
            let burst = self.config.burst_updates && step == self.config.init_steps;
            let due = if burst { self.config.init_steps } else { 1 };
            for done in 1..=due {
                self.update(step, due - done + report.steps - (step + 1))?;
            }
        }
        let mut transition = [Transition::default()];
        self.env.step(&action, &mut transition)?;
        let [transition] = transition;
        let outcome = self.env.outcome(0);
        if outcome.is_some_and(|outcome| outcome.lost) {
            // Nobody saw what came of the action: there is nothing to learn from, and the
            // return is not that of an episode.
            self.progress.step += 1;
            self.leave_episode();
            return Ok(());
        }
        let next = self.observe()?;
        let stored = StoredTransition::new(&self.progress.stack, next, &transition, action);
        self.replay.push(&stored)?;
        self.progress.stack = stored.frames[1..].to_vec();
        self.progress.pending.push(stored);
        self.progress.episode_return += outcome.map_or(transition.reward, |o| o.score);
        self.progress.step += 1;
        if transition.terminated || transition.truncated {
            self.end_episode(report)?;
        }
        if self.progress.step.is_multiple_of(self.config.log_freq) {
            self.log_losses(report)?;
        }
        Ok(())
    }

    /// One update, after which the run has `left` more.
    fn update(&mut self, step: u64, left: u64) -> Result<(), Error> {
        match &mut self.profiling {
            Some(profiling) => {
                profiling.update(&self.agent, step, self.progress.updates, left)?;
            }
            None => self.agent.update(step)?,
        }
        self.progress.updates += 1;
        Ok(())
    }

    /// Puts the environment's frame into the replay; returns its number.
    fn observe(&mut self) -> Result<u64, Error> {
        let frame = self.replay.next_frame()?;
        let slot = self.replay.slot(frame);
        self.retina.observe(self.env.as_mut(), slot)?;
        Ok(frame)
    }

    fn begin_episode(&mut self, report: &mut Report) -> Result<(), Error> {
        if self.progress.step >= self.progress.next_evaluation && self.progress.step > 0 {
            let episodes = self.evaluate(&mut |text| report.notices.push(text))?;
            // One that did not come to its end is made up for by whoever goes on.
            self.progress.next_evaluation = self.progress.step + self.config.eval_freq;
            report.evaluation = Some(("train".to_string(), evaluate::mean(&episodes)));
        }
        self.env.reset(0, self.progress.episode)?;
        let frame = self.observe()?;
        self.progress.stack = vec![frame; self.config.frame_stack];
        self.progress.episode_return = 0.0;
        Ok(())
    }

    fn end_episode(&mut self, report: &mut Report) -> Result<(), Error> {
        let value = self.progress.episode_return;
        self.write("episode", &[("return", f64::from(value))])?;
        report.episode_return = Some(value);
        self.leave_episode();
        Ok(())
    }

    fn leave_episode(&mut self) {
        self.progress.episode += 1;
        self.progress.stack.clear();
    }

    /// Evaluates the agent as it is now, into the metrics: at intervals while it trains,
    /// and by whoever wants to know what came of it. Returns the episodes; what happened in
    /// them that a person should know goes to `notice`.
    ///
    /// Lines that are written after the last checkpoint are not there for a run that is
    /// resumed from it.
    ///
    /// # Errors
    /// Those of [`evaluate::episodes`], and of writing.
    pub fn evaluate(&mut self, notice: &mut dyn FnMut(String)) -> Result<Vec<Episode>, Error> {
        let mut options = train_options(&self.config, self.python.clone());
        options.seed = evaluation_seed(self.config.seed);
        let actor = Actor::Agent(&self.agent);
        let episodes = evaluate::episodes(
            &self.gpu,
            &options,
            self.config.frame_stack,
            &actor,
            self.config.eval_episodes,
            notice,
        )?;
        let mut values = vec![("train", f64::from(evaluate::mean(&episodes)))];
        values.extend(evaluate::success_rate(&episodes).map(|rate| ("success", rate)));
        self.write("eval", &values)?;
        Ok(episodes)
    }

    /// Reads the watched scalars; one that is not finite stops training before it can
    /// reach a checkpoint.
    fn read_losses(&mut self) -> Result<(), Error> {
        let losses = self.agent.watched()?;
        if let Some((name, value)) = losses.iter().find(|(_, v)| !v.is_finite()) {
            return Err(Error::NonFinite {
                what: name.clone(),
                value: *value,
                step: self.progress.step,
            });
        }
        self.progress.losses.extend(losses);
        Ok(())
    }

    /// Writes the latest watched scalars since the last time, if there are any.
    fn log_losses(&mut self, report: &mut Report) -> Result<(), Error> {
        self.read_losses()?;
        let losses: Vec<(String, f32)> = std::mem::take(&mut self.progress.losses)
            .into_iter()
            .collect();
        if losses.is_empty() {
            return Ok(());
        }
        let mut values: Vec<(&str, f64)> = (losses.iter())
            .map(|(n, v)| (n.as_str(), f64::from(*v)))
            .collect();
        values.extend(self.agent.exploration(self.progress.step.saturating_sub(1)));
        self.write("train", &values)?;
        report.losses = losses;
        Ok(())
    }

    fn write(&mut self, kind: &str, values: &[(&str, f64)]) -> Result<(), Error> {
        let seconds = self.metrics.earlier_seconds() + self.started.elapsed().as_secs_f64();
        self.metrics
            .write(kind, self.progress.step, seconds, values)?;
        let names: Vec<String> = values.iter().map(|(n, _)| format!("{kind}/{n}")).collect();
        let scalars: Vec<(&str, f32)> = (names.iter().zip(values))
            .map(|(n, (_, v))| (n.as_str(), *v as f32))
            .collect();
        let wall = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0.0, |d| d.as_secs_f64());
        self.tensorboard
            .scalars(wall, self.progress.step, &scalars)?;
        Ok(())
    }

    /// Writes a checkpoint of everything, unless a loss has stopped being finite.
    fn checkpoint(&mut self) -> Result<(), Error> {
        self.log_losses(&mut Report::default())?;
        self.save()
    }

    /// The same where a run that nobody stops has none: what it would not yet have written
    /// is kept for whoever goes on.
    fn checkpoint_between(&mut self) -> Result<(), Error> {
        self.read_losses()?;
        self.save()
    }

    fn save(&mut self) -> Result<(), Error> {
        let metrics = self.metrics.sync()?;
        let tensorboard = self.tensorboard.sync()?;
        let replay = snapshot::append_replay(&mut self.log, &self.replay, &mut self.progress)?;
        let meta = CheckpointMeta {
            step: self.progress.step,
            config: self.config.digest()?,
            metrics,
            tensorboard,
            replay,
            extra: Default::default(),
        };
        let saved = snapshot::save(
            &self.checkpoints,
            meta,
            &self.agent,
            self.env.as_mut(),
            &self.progress,
            &self.replay,
        )?;
        let positions: Vec<_> = saved.kept.iter().map(|m| m.replay).collect();
        self.log.prune(&positions)?;
        self.saved = self.progress.step;
        Ok(())
    }
}

/// Evaluation plays other episodes than training.
pub fn evaluation_seed(seed: u64) -> u64 {
    seed ^ (1 << 40)
}
