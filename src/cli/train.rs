//! `foveate train`: a run from its first step, or from its last checkpoint, to its end.

use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::json;

use super::error::CliError;
use super::output::{bytes, counted, duration, note, print};
use super::profile;
use super::session::{Session, adapter_name};
use super::summary;
use super::training;
use crate::Error;
use crate::agents::{
    Eye, ProgramMemory, Trainer, TrainingMemory, check_backgrounds, check_overlays, describe_world,
    evaluate, is_finished, tuning,
};
use crate::config::{Budget, Config, Inputs, Layers};
use crate::envs::{EnvError, EnvSpec, offers_saliency};
use crate::gpu::{Gpu, KernelsMade};
use crate::pretrain::PretrainConfig;
use crate::pretrained::{EncoderOptions, PretrainedEncoder};
use crate::run::directory::ENCODER;
use crate::run::{CheckpointStore, RunDirectory};
use crate::shell::quoted;

const EXAMPLES: &str = "\
Examples:
  foveate train --agent sgqn --env native/reach --preset tiny --run runs/reach
  foveate train --agent sac --env native/cartpole --set batch=64 --set critic_lr=3e-4 --run runs/sac
  foveate train --agent sgqn --env dm_control/cartpole-swingup --steps 2000 --run runs/real
  foveate train --agent sgqn-dqn --env ale/Pong --run runs/pong
  foveate train --agent sac --env native/reach --preset tiny --encoder multimae:runs/multimae --run runs/frozen
  foveate train --agent sac --env native/reach --preset tiny --inputs rgbs --run runs/rgbs
  foveate train --run runs/reach --resume --steps 15000
  foveate train --agent sgqn --env native/reach --preset tiny --steps 2600 --profile=20 --run runs/profiled

Later layers win: preset, --config, --set, the other flags. The run directory gets
config.toml, metrics.jsonl, TensorBoard events, checkpoints, the replay, a learning
curve and summary.json. A run that was killed continues with --resume and ends with
the same bits; only steps, eval_freq, eval_episodes, checkpoint_freq and log_freq
may then change.";

/// Train an agent from pixels into a run directory.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Algorithm: sac, rad, drq, curl, pad, soda, svea, svea-soda, sgqn, or one of its ablations,
    /// sac-consistency and sac-self-supervision; dqn and sgqn-dqn, which choose among actions
    #[arg(long, value_name = "NAME")]
    agent: Option<String>,
    /// Environment: native/reach, native/cartpole, native/ball_in_cup, native/finger,
    /// native/drawer, native/walker-stand, native/walker-walk, or a task of a real suite, such
    /// as dm_control/DOMAIN-TASK or metaworld/TASK-v3; foveate envs lists them
    #[arg(long, value_name = "ID")]
    env: Option<String>,
    /// Defaults to start from: tiny (minutes on two cores), laptop (hours on an
    /// integrated GPU; the default), paper (SGQN's published numbers) or visarl (those of
    /// ViSaRL's SAC)
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
    /// Options from a TOML file, such as the config.toml of another run
    #[arg(long, value_name = "FILE.toml")]
    config: Option<PathBuf>,
    /// One option, as it stands in config.toml, e.g. batch=64; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// What makes features of frames: cnn, or a frozen pretrained encoder, multimae:PATH or
    /// mae:PATH, where PATH is a run of foveate pretrain or a .safetensors file
    #[arg(long, value_name = "NAME")]
    encoder: Option<String>,
    /// What of a frame it sees: rgb; with saliency (native worlds), a cnn saliency,
    /// rgb-times-saliency or rgbs, a pretrained encoder rgb+saliency
    #[arg(long, value_name = "NAME")]
    inputs: Option<String>,
    /// Seed of everything random in the run
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Length of training, in agent steps unless budget=frames
    #[arg(long, value_name = "N")]
    steps: Option<u64>,
    /// Directory of the run: new or empty, or with --resume that of an earlier run
    #[arg(long, value_name = "DIR")]
    run: PathBuf,
    /// Continue the run in --run from its last good checkpoint
    #[arg(long)]
    resume: bool,
    /// Folder of backgrounds for the video modes; none: procedural ones. It holds either
    /// videos and GIFs, each a clip, or PNG and JPEG files, which sorted by name are one
    /// clip; a folder with both is refused
    #[arg(long, value_name = "DIR")]
    backgrounds: Option<String>,
    /// Folder of images that are laid over observations (soda, svea, svea-soda, sgqn,
    /// sac-self-supervision, sgqn-dqn); none: procedural ones
    #[arg(long, value_name = "DIR")]
    overlays: Option<String>,
    /// Python with the real suites [env: FOVEATE_PYTHON]
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// Choose kernels by estimate: neither measure them (up to 30 s, once for each
    /// device; kept in FOVEATE_CACHE or the platform's cache folder) nor use what was
    #[arg(long)]
    no_tune: bool,
    /// Time the last N updates (10 if no number is given), operation by operation: a
    /// table on standard output and in profile.txt, and profile.json for
    /// https://ui.perfetto.dev. The results of the run stay the same
    #[arg(
        long,
        value_name = "N",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "10",
        value_parser = clap::value_parser!(u64).range(1..=MOST_PROFILED),
    )]
    profile: Option<u64>,
    /// No progress on standard error
    #[arg(long)]
    quiet: bool,
}

/// More make a trace that no viewer likes to open.
const MOST_PROFILED: u64 = 100;

impl Arguments {
    fn layers(&self, saved: Option<Config>) -> Layers {
        let mut set = self.set.clone();
        // Whole paths: also when the run is resumed or evaluated from elsewhere.
        let whole = |path: &String| {
            let path = std::path::absolute(path).unwrap_or_else(|_| path.into());
            path.display().to_string()
        };
        let encoder = self
            .encoder
            .as_ref()
            .map(|given| match given.split_once(':') {
                Some((kind, path)) if !path.is_empty() => {
                    format!("{kind}:{}", whole(&path.to_owned()))
                }
                _ => given.clone(),
            });
        for (key, value) in [
            ("encoder", &encoder),
            ("inputs", &self.inputs),
            ("backgrounds", &self.backgrounds.as_ref().map(whole)),
            ("overlays", &self.overlays.as_ref().map(whole)),
        ] {
            set.extend(value.iter().map(|value| format!("{key}={value}")));
        }
        Layers {
            saved,
            file: self.config.clone(),
            set,
            agent: self.agent.clone(),
            env: self.env.clone(),
            preset: self.preset.clone(),
            seed: self.seed,
            steps: self.steps,
            image_size: None,
        }
    }

    /// The options of every command that has to do with the run.
    fn repeated(&self, session: &Session) -> String {
        let python = (self.python.as_ref())
            .map_or_else(String::new, |python| format!(" --python {}", shown(python)));
        python + &session.repeated()
    }

    /// The configuration of a new run, which is looked at before anything is written. Where
    /// nobody says how large frames are, a pretrained encoder does.
    fn resolve(&self, gpu: &Gpu) -> Result<Config, CliError> {
        let mut layers = self.layers(None);
        let mut config = Config::resolve(&layers).map_err(Error::from)?;
        if config.inputs != Inputs::Rgb && !offers_saliency(&config.env) {
            let id = config.env.clone();
            return Err(Error::Env(EnvError::NoSaliency { id }).into());
        }
        check_backgrounds(&config, self.python.clone())?;
        check_overlays(&config)?;
        if self.overlays.is_some() && !config.overlays_pictures() && !self.quiet {
            note(&format!(
                "{} lays no pictures over observations: --overlays changes nothing",
                config.agent
            ));
        }
        if let Some(path) = config.encoder.weights() {
            if !layers.gives("image_size").map_err(Error::from)? {
                let options = EncoderOptions {
                    heads: config.encoder_heads,
                    image_size: None,
                };
                let encoder = PretrainedEncoder::open_with(gpu, path, &options);
                layers.image_size = Some(encoder.map_err(Error::from)?.image_size());
                config = Config::resolve(&layers).map_err(Error::from)?;
            }
            Eye::open(gpu, &config)?;
        }
        Ok(config)
    }
}

pub(super) fn run(session: &Session, arguments: &Arguments) -> Result<(), CliError> {
    let started = Instant::now();
    let (gpu, config, spec, directory) = if arguments.resume {
        let directory = RunDirectory::resume(&arguments.run)?;
        let saved = match directory.has_config() {
            true => {
                let (read, other) = (Config::read, PretrainConfig::read);
                Some(training::saved_config(&directory, read, other, "pretrain")?)
            }
            // It was killed before it had begun.
            false => None,
        };
        let begun = saved.is_some();
        let mut config = Config::resolve(&arguments.layers(saved))?;
        // A resumed run keeps the kernels that it began with, if it had come so far.
        let gpu = match arguments.no_tune || directory.read_tuning()?.is_some() {
            true => session.gpu()?,
            false => session.tuned_gpu()?,
        };
        if !begun {
            config = arguments.resolve(&gpu)?;
        }
        let spec = describe_world(&config, arguments.python.clone())?;
        (gpu, config, spec, directory)
    } else {
        // Whatever may be wrong with the options is said before anything is written.
        Config::resolve(&arguments.layers(None))?;
        RunDirectory::check_new(&arguments.run)?;
        let gpu = match arguments.no_tune {
            true => session.gpu()?,
            false => session.tuned_gpu()?,
        };
        let config = arguments.resolve(&gpu)?;
        let spec = describe_world(&config, arguments.python.clone())?;
        (gpu, config, spec, RunDirectory::create(&arguments.run)?)
    };
    let steps = config.agent_steps(spec.action_repeat);
    let repeated = arguments.repeated(session);
    if is_finished(&directory, &config, steps)? {
        return print(&finished(&directory, &config, steps, &repeated));
    }
    if arguments.no_tune {
        // Were it killed before it trains, it is resumed without measuring too.
        tuning::begin(&gpu, &directory)?;
    }
    let earlier = summary::seconds_of(&summary::rows(&directory.metrics())?);
    let fitting = Fitting {
        takes_set: true,
        python: arguments.python.clone(),
        profile: arguments.profile,
        quiet: arguments.quiet,
        resume: format!(
            "foveate train --run {} --resume{repeated}",
            shown(&arguments.run)
        ),
    };
    let mut fitted = fit(&gpu, &config, spec, directory, &fitting)?;
    let trainer = &mut fitted.trainer;
    let train_seconds = earlier + started.elapsed().as_secs_f64();
    let mut conclude = || -> Result<String, CliError> {
        if arguments.profile.is_some() {
            profile::report(trainer, &config, &adapter_name(&gpu))?;
        }

        let episodes = config.eval_episodes;
        let played = trainer.evaluate(&mut |text| note(&text))?;
        let returns = summary::returns_of(&played);
        let success = evaluate::success_rate(&played);
        let directory = trainer.directory();
        let curve = directory.media().join("curve.png");
        let title = format!("{} on {}, seed {}", config.agent, config.env, config.seed);
        summary::curve(title, &summary::rows(&directory.metrics())?, vec![])
            .render()?
            .save_png(&curve)?;
        let mut summary = json!({
            "agent": config.agent,
            "env": config.env,
            "preset": config.preset,
            "seed": config.seed,
            "steps": fitted.steps,
            "updates": trainer.updates(),
            "train": returns.mean(),
            "train_std": returns.std(),
            "episodes": episodes,
            "train_seconds": train_seconds,
            "seconds": earlier + started.elapsed().as_secs_f64(),
            "memory_bytes": trainer.memory(),
            "program_bytes": trainer.program_memory(),
            "kernels_made": gpu.kernels_made(),
            "adapter": adapter_name(&gpu),
        });
        let mut rate_said = String::new();
        if let Some(rate) = success {
            summary["success_rate"] = rate.into();
            rate_said = format!(", success {:.0} %,", 100.0 * rate);
        }
        directory.write_summary(&summary)?;
        Ok(format!(
            "{} on {}: return {:.1} ± {:.1}{rate_said} over {} after {} steps ({})\n\
         summary         {}\n\
         learning curve  {}\n\
         next            {}",
            config.agent,
            config.env,
            returns.mean(),
            returns.std(),
            counted(episodes, "episode"),
            fitted.steps,
            duration(train_seconds),
            directory.summary().display(),
            curve.display(),
            next_commands(directory, &config, &repeated),
        ))
    };
    let said = conclude().map_err(|error| error.after_training(&fitting.resume))?;
    print(&said)
}

/// A path in a command.
pub(super) fn shown(path: &Path) -> String {
    quoted(&path.display().to_string())
}

/// What may be done with a trained agent, in commands with the options `repeated`.
fn next_commands(directory: &RunDirectory, config: &Config, repeated: &str) -> String {
    let run = shown(directory.root());
    let method = (config.encoder.explained_by())
        .map_or_else(String::new, |method| format!(" --method {method}"));
    format!("foveate eval --run {run}{repeated}; foveate explain --run {run}{method}{repeated}")
}

/// What is said of a run that has nothing left to do.
fn finished(directory: &RunDirectory, config: &Config, steps: u64, repeated: &str) -> String {
    format!(
        "the run in '{}' is finished at step {steps}: nothing was changed\n\
         summary         {}\n\
         to go on        foveate train --run {} --resume{repeated} --steps N, with N above {}\n\
         next            {}",
        directory.root().display(),
        directory.summary().display(),
        shown(directory.root()),
        config.steps,
        next_commands(directory, config, repeated),
    )
}

/// How to train, beside what decides the result.
#[derive(Debug, Default)]
pub(super) struct Fitting {
    /// The command has `--set`, which hints may name.
    pub takes_set: bool,
    /// Python for real environments.
    pub python: Option<PathBuf>,
    /// How many of the last updates to profile.
    pub profile: Option<u64>,
    /// Show no progress.
    pub quiet: bool,
    /// The command that goes on where the training stopped.
    pub resume: String,
}

/// A trainer at the end of its run.
pub(super) struct Fitted {
    pub trainer: Trainer,
    /// Agent steps of the run.
    pub steps: u64,
}

/// Trains to the end, with `config` in `config.toml`, showing the progress. If a new run
/// cannot even begin, its directory is left as if it had not been tried.
pub(super) fn fit(
    gpu: &Gpu,
    config: &Config,
    spec: EnvSpec,
    directory: RunDirectory,
    fitting: &Fitting,
) -> Result<Fitted, CliError> {
    let quiet = fitting.quiet;
    let root = directory.root().to_path_buf();
    let (is_new, options) = (!directory.has_config(), config.to_toml()?);
    if is_new {
        directory.write_config(&options)?;
    }
    if !quiet {
        note(&format!(
            "training {} on {}, seed {}, on {}",
            config.agent,
            config.env,
            config.seed,
            adapter_name(gpu)
        ));
    }
    if let Some(warning) = never_learns(config, spec.action_repeat) {
        let other = if fitting.takes_set {
            ", or a smaller --set init_steps=N"
        } else {
            ", and --fresh to begin this one anew"
        };
        note(&(warning + other));
    }
    let python = fitting.python.clone();
    let notice = &mut |text: String| note(&text);
    let mut trainer = match Trainer::in_world(gpu, config, spec, directory, python, notice) {
        Ok(trainer) => trainer,
        Err(error) => {
            if is_new {
                discard_skeleton(&root);
            }
            return Err(error.into());
        }
    };
    if !is_new {
        // Not before it is known that the run can go on like this.
        trainer.directory().write_config(&options)?;
    }
    if !quiet {
        note(&memory_line(&trainer.memory(), &trainer.program_memory()));
        note(&kernels_line(&gpu.kernels_made()));
    }
    if let Some(count) = fitting.profile {
        trainer.profile_last(count)?;
    }
    let checkpoints = trainer.directory().checkpoints();
    let mut steps = training::to_its_end(quiet, checkpoints, &fitting.resume, |watch| {
        trainer.run(watch)
    })?;
    if steps == 0 {
        // There was nothing left to do.
        let checkpoints = CheckpointStore::new(trainer.directory().checkpoints());
        steps = checkpoints.list()?.last().map_or(0, |(step, _)| *step);
    }
    Ok(Fitted { trainer, steps })
}

/// What is said of a run whose steps are all taken at random.
fn never_learns(config: &Config, action_repeat: usize) -> Option<String> {
    let (steps, random) = (config.agent_steps(action_repeat), config.init_steps);
    // In the unit of the budget, as `steps` is.
    let more = match config.budget {
        Budget::AgentSteps => random,
        Budget::Frames => random.saturating_mul(action_repeat as u64),
    };
    (steps <= random).then(|| {
        format!(
            "warning: nothing will be learned: the run has {steps} agent steps, and the first {random} (init_steps) are random, without updates; give --steps above {more}"
        )
    })
}

/// `memory on the device: 32 MiB (replay 30 MiB, …)`
fn memory_line(memory: &TrainingMemory, programs: &[ProgramMemory]) -> String {
    let least: u64 = programs.iter().map(|p| p.memory.worst_moment).sum();
    let ratio = memory.programs as f64 / least.max(1) as f64;
    let mut parts = vec![
        format!("replay {}", bytes(memory.replay)),
        format!("parameters and optimisers {}", bytes(memory.state)),
        format!(
            "programs {}, {ratio:.2} × the least possible",
            bytes(memory.programs)
        ),
    ];
    if memory.pictures > 0 {
        parts.push(format!("overlay pictures {}", bytes(memory.pictures)));
    }
    format!(
        "memory on the device: {} ({})",
        bytes(memory.total()),
        parts.join(", ")
    )
}

/// `made 87 kernels in 3.1 s`
fn kernels_line(made: &KernelsMade) -> String {
    format!("made {} kernels in {:.1} s", made.count, made.seconds)
}

/// Removes what an attempt that failed at once has made; nothing that holds anything.
pub(super) fn discard_skeleton(root: &Path) {
    // What cannot be removed does no harm: without config.toml it counts as empty.
    let _ = std::fs::remove_file(root.join("config.toml"));
    for file in ["tuning.json", ENCODER] {
        let _ = std::fs::remove_file(root.join(file));
    }
    for folder in ["checkpoints", "replay", "tensorboard", "media"] {
        let _ = std::fs::remove_dir(root.join(folder));
    }
    let _ = std::fs::remove_file(root.join("run.lock"));
    let _ = std::fs::remove_dir(root);
}
