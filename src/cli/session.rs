//! What every subcommand starts from: a device, and for some a trained run.

use std::cell::RefCell;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::error::CliError;
use super::output::note;
use super::parent;
use crate::Error;
use crate::agents::tuning::{self, TuningCache, Unused};
use crate::agents::{Agent, Eye, PipelineFile, env_options, evaluation_seed, load_agent};
use crate::config::Config;
use crate::envs::native::Mode;
use crate::envs::{EnvError, EnvOptions, modes_of};
use crate::gpu::{Choices, Gpu, GpuOptions, Tuning};
use crate::pretrain::PretrainConfig;
use crate::run::RunDirectory;
use crate::shell::quoted;

/// Time that measuring kernels may take.
const TUNING_BUDGET: Duration = Duration::from_secs(30);

/// Options of every subcommand.
#[derive(Debug, clap::Args)]
pub(super) struct Session {
    /// The adapter to use: a part of its name as `foveate devices` lists it, any
    /// case [env: FOVEATE_ADAPTER]
    #[arg(long, global = true, value_name = "NAME")]
    adapter: Option<String>,
    /// End when standard input closes: for the children of foveate sweep
    #[arg(long, global = true, hide = true)]
    with_parent: bool,
    /// What the driver made of kernels, for the end of the program.
    #[arg(skip)]
    pipelines: RefCell<Vec<(Gpu, PipelineFile)>>,
}

impl Session {
    /// What is done before any subcommand.
    pub fn begin(&self) {
        if self.with_parent {
            parent::end_with_it();
        }
    }

    /// What children of this process are given to work as it does, and to end with it.
    pub fn for_children(&self) -> Vec<OsString> {
        let mut given = vec!["--with-parent".into()];
        if let Some(adapter) = &self.adapter {
            given.extend(["--adapter".into(), adapter.into()]);
        }
        given
    }

    /// The options of a command that goes on with what this one began.
    pub fn repeated(&self) -> String {
        let option = |name: &String| format!(" --adapter {}", quoted(name));
        self.adapter.as_ref().map_or_else(String::new, option)
    }

    /// How the device is chosen. What is absent here, the environment decides.
    pub fn gpu_options(&self) -> GpuOptions {
        GpuOptions {
            adapter: self.adapter.clone(),
            ..Default::default()
        }
    }

    /// Opens the device, with what its driver made of kernels before.
    pub fn gpu(&self) -> Result<Gpu, CliError> {
        let gpu = Gpu::new_blocking(self.gpu_options())?;
        if let Some(file) = PipelineFile::open(&gpu, &mut |text| note(&text)) {
            self.pipelines.borrow_mut().push((gpu.clone(), file));
        }
        Ok(gpu)
    }

    /// Keeps what drivers made of kernels for the next program.
    pub fn close(&self) {
        for (gpu, file) in self.pipelines.borrow_mut().iter_mut() {
            if let Err(error) = file.keep(gpu) {
                note(&format!(
                    "warning: what the driver made of kernels is not kept: {error}"
                ));
            }
        }
    }

    /// Opens the device with what was measured on it before, and leave to measure what
    /// was not: for commands that run long on what they compile.
    pub fn tuned_gpu(&self) -> Result<Gpu, CliError> {
        let gpu = self.gpu()?;
        let Some(cache) = TuningCache::of_user() else {
            return Ok(gpu);
        };
        match cache.load(&gpu) {
            Ok(choices) => gpu.set_choices(choices),
            Err(Unused::Absent) => {}
            Err(why) => {
                let why = match why {
                    Unused::Damaged(reason) => format!("it is damaged: {reason}"),
                    _ => "it is of another driver or version".to_string(),
                };
                let path = cache.path(&gpu);
                note(&format!("warning: '{}' is not used: {why}", path.display()));
            }
        }
        gpu.set_tuning(Some(Tuning {
            budget: TUNING_BUDGET,
            notice: Arc::new(note),
            turn: Some(Arc::new({
                let cache = cache.clone();
                move |gpu| Some(Box::new(cache.take_turn(gpu)?) as Box<dyn std::any::Any>)
            })),
            keep: Arc::new(move |gpu, choices| {
                if let Err(error) = cache.keep(gpu, choices) {
                    note(&format!("warning: what was measured is not kept: {error}"));
                }
            }),
        }));
        Ok(gpu)
    }
}

/// The adapter's name, as it is written into summaries.
pub(super) fn adapter_name(gpu: &Gpu) -> String {
    let info = gpu.info();
    format!("{} ({})", info.name, info.backend.to_str())
}

/// An agent as a run left it, ready to be looked at.
pub(super) struct Trained {
    pub directory: RunDirectory,
    pub config: Config,
    pub agent: Agent,
    /// Agent steps that it has trained for.
    pub step: u64,
    pub python: Option<PathBuf>,
}

impl Trained {
    /// The newest good checkpoint of the run in `root`. A damaged one that was passed
    /// over is reported. `backgrounds` replaces the run's own folder of backgrounds.
    pub fn load(
        gpu: &Gpu,
        root: &Path,
        backgrounds: &Option<PathBuf>,
        python: &Option<PathBuf>,
    ) -> Result<Trained, CliError> {
        let directory = RunDirectory::open(root)?;
        let mut config = match Config::read(&directory.config()) {
            Err(_) if PretrainConfig::read(&directory.config()).is_ok() => {
                let run = root.to_path_buf();
                return Err(CliError::NoAgent { run });
            }
            config => config?,
        };
        if backgrounds.is_some() {
            config.backgrounds.clone_from(backgrounds);
        }
        let spec = env_options(&config, Mode::Train, 1, python.clone()).describe()?;
        // It acts with the kernels that it was trained with.
        tuning::restore(gpu, &directory)?;
        let eye = Eye::kept(gpu, &config, &directory)?;
        let agent = Agent::with_eye(gpu, &config, spec.actions(), eye)?;
        let meta = load_agent(&directory, &agent, &mut |text| note(&text))?;
        Ok(Trained {
            directory,
            config,
            agent,
            step: meta.step,
            python: python.clone(),
        })
    }
}

impl Trained {
    /// Has what is compiled next run the kernels that this agent was trained with: of the
    /// agents of several runs on one device, those of the last that was loaded would be run.
    pub fn restore_kernels(&self, gpu: &Gpu) -> Result<(), CliError> {
        gpu.set_choices(Choices::default());
        Ok(tuning::restore(gpu, &self.directory)?)
    }
}

/// The environment of evaluations: other episodes than those of training.
pub(super) fn evaluation_options(
    config: &Config,
    mode: Mode,
    python: Option<PathBuf>,
) -> EnvOptions {
    let mut options = env_options(config, mode, 1, python);
    options.seed = evaluation_seed(config.seed);
    options
}

/// The looks that were asked for, each once, or `default` as far as the environment
/// has them.
///
/// # Errors
/// [`EnvError::Mode`] for one that the environment does not have.
pub(super) fn choose_modes(
    env: &str,
    asked: &[Mode],
    default: &[Mode],
) -> Result<Vec<Mode>, CliError> {
    let known = modes_of(env);
    let mut chosen = vec![];
    for &mode in asked {
        if !known.contains(&mode) {
            let id = env.to_string();
            return Err(Error::Env(EnvError::Mode { id, given: mode }).into());
        }
        if !chosen.contains(&mode) {
            chosen.push(mode);
        }
    }
    if chosen.is_empty() {
        chosen.extend(default.iter().filter(|mode| known.contains(mode)));
    }
    Ok(chosen)
}

/// [`choose_modes`] for a stage that shows its looks side by side or in turn, which only
/// native worlds can: of others one look.
///
/// # Errors
/// Those of [`choose_modes`]; [`EnvError::OneMode`] where several were asked for.
pub(super) fn choose_modes_together(
    env: &str,
    asked: &[Mode],
    default: &[Mode],
) -> Result<Vec<Mode>, CliError> {
    let mut chosen = choose_modes(env, asked, default)?;
    if !env.starts_with("native/") {
        if asked.len() > 1 && chosen.len() > 1 {
            let id = env.to_string();
            return Err(Error::Env(EnvError::OneMode { id }).into());
        }
        chosen.truncate(1);
    }
    Ok(chosen)
}
