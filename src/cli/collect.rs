//! `foveate collect`: frames to pretrain on, from any environment.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde_json::json;

use super::error::CliError;
use super::output::{counted, note, print};
use super::progress::Progress;
use super::session::{Session, Trained, choose_modes_together, evaluation_options};
use crate::Error;
use crate::agents::evaluate::Actor;
use crate::agents::{Collector, Report};
use crate::data::{Moment, Recording};
use crate::envs::native::Mode;
use crate::envs::{EnvOptions, SUITES, known_ids};
use crate::gpu::Gpu;
use crate::run::RunDirectory;

/// Height and width of a frame, unless asked otherwise.
const SIZE: usize = 64;

const EXAMPLES: &str = "\
Examples:
  foveate collect --env native/reach --frames 5000 --per-episode 1 --size 32 --out data/reach
  foveate collect --policy runs/reach --frames 2000 --modes train,color-easy --out data/seen
  foveate collect --env dm_control/walker-walk --frames 1000 --png --out data/walker

Writes frames.safetensors: frames u8 [N,H,W,3] and episode i32 [N]; of native worlds also
saliency u8 [N,H,W], 255 on the agent's own body and its target, and state f32 [N,S],
whose columns the file's metadata names. With --png the folders frames/ and saliency/
instead. The same options give the same bytes on the same device and driver.";

/// Who acts.
#[derive(Debug, Clone, PartialEq)]
enum Policy {
    Random,
    Expert,
    Run(PathBuf),
}

impl FromStr for Policy {
    type Err = std::convert::Infallible;

    fn from_str(given: &str) -> Result<Policy, Self::Err> {
        Ok(match given {
            "random" => Policy::Random,
            "expert" => Policy::Expert,
            run => Policy::Run(run.into()),
        })
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Policy::Random => f.write_str("random"),
            Policy::Expert => f.write_str("expert"),
            Policy::Run(run) => run.display().fmt(f),
        }
    }
}

/// Collect frames from an environment, with saliency and state where it knows them.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The environment, e.g. native/reach or dm_control/walker-walk; a run's own if absent
    #[arg(long, value_name = "ID")]
    env: Option<String>,
    /// Who acts: random, expert (native worlds) or the directory of a trained run
    #[arg(long, value_name = "random|expert|RUN", default_value = "random")]
    policy: Policy,
    /// How many frames
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    frames: u32,
    /// Begin another episode after N frames of one: neighbours in time are much alike
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    per_episode: Option<u64>,
    /// Directory that the frames go to
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Height and width of a frame, a multiple of 4 [default: 64, or the run's own]
    #[arg(long, value_name = "PIXELS", value_parser = frame_size)]
    size: Option<usize>,
    /// Looks, one episode each in turn; train if absent
    #[arg(long, value_name = "MODE,…", value_delimiter = ',')]
    modes: Vec<Mode>,
    /// Seed of everything random
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Write PNG files instead of one safetensors file
    #[arg(long)]
    png: bool,
    /// Replace what an earlier collect left in the directory
    #[arg(long)]
    fresh: bool,
    /// No progress on standard error
    #[arg(long)]
    quiet: bool,
    /// Folder of backgrounds for the video modes; a run's own if absent. Either videos and
    /// GIFs, each a clip, or PNG and JPEG files, together one clip; both are refused
    #[arg(long, value_name = "DIR")]
    backgrounds: Option<PathBuf>,
    /// Python with the real suites [env: FOVEATE_PYTHON]
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
}

fn frame_size(given: &str) -> Result<usize, String> {
    let size = given.parse::<usize>().ok();
    size.filter(|s| s.is_multiple_of(4) && (4..=4092).contains(s))
        .ok_or_else(|| "a multiple of 4 from 4 to 4092 is needed".to_string())
}

pub(super) fn run(session: &Session, arguments: &Arguments) -> Result<(), CliError> {
    let out = &arguments.out;
    if let (false, Some(path)) = (arguments.fresh, Recording::existing(out, arguments.png)) {
        return Err(CliError::Collected { path });
    }
    let (recording, notes) = match &arguments.policy {
        Policy::Run(run) => by_agent(session, arguments, run)?,
        policy => by_rule(session, arguments, policy)?,
    };
    let path = match arguments.png {
        true => recording.write_pictures(out)?,
        false => recording.write_tensors(out, &notes.to_string())?,
    };
    print(&report(&recording, &path))
}

/// A recording, and where it is from.
type Collected = (Recording, serde_json::Value);

/// By a random policy or a world's scripted controller.
fn by_rule(
    session: &Session,
    arguments: &Arguments,
    policy: &Policy,
) -> Result<Collected, CliError> {
    let Some(env) = &arguments.env else {
        return Err(CliError::NoEnv {
            policy: policy.to_string(),
            known: known_ids(),
        });
    };
    let options = EnvOptions {
        image_size: arguments.size.unwrap_or(SIZE),
        seed: arguments.seed,
        backgrounds: arguments.backgrounds.clone(),
        python: arguments.python.clone(),
        ..EnvOptions::new(env)
    };
    let actor = match policy {
        Policy::Expert => Actor::Expert,
        _ => Actor::Random(arguments.seed),
    };
    let is_real = SUITES.iter().any(|suite| suite.has(env));
    if matches!(policy, Policy::Expert) && is_real {
        // Before a folder is made and the suite is asked for frames.
        let id = env.clone();
        return Err(Error::NoExpert { id }.into());
    }
    let gpu = session.gpu()?;
    collect(&gpu, arguments, &options, 1, actor, &policy.to_string())
}

/// By a trained agent, in the environment that it was trained in.
fn by_agent(session: &Session, arguments: &Arguments, run: &Path) -> Result<Collected, CliError> {
    if RunDirectory::open(run).is_err() {
        let given = run.display().to_string();
        return Err(CliError::Policy { given });
    }
    let gpu = session.gpu()?;
    let trained = Trained::load(&gpu, run, &arguments.backgrounds, &arguments.python)?;
    let config = &trained.config;
    // What is collected are frames as they are drawn.
    let drawn = config.rendered_size();
    let size = arguments.size.unwrap_or(drawn);
    let asked = arguments.env.as_ref().unwrap_or(&config.env);
    for (option, given, right) in [
        ("env", asked, &config.env),
        ("size", &size.to_string(), &drawn.to_string()),
    ] {
        if given != right {
            return Err(CliError::NotOfRun {
                option,
                given: given.clone(),
                run: run.to_owned(),
                right: right.clone(),
            });
        }
    }
    let options = EnvOptions {
        seed: arguments.seed,
        ..evaluation_options(config, Mode::Train, arguments.python.clone())
    };
    let actor = Actor::Agent(&trained.agent);
    let who = format!("{} at step {}", config.agent, trained.step);
    collect(&gpu, arguments, &options, config.frame_stack, actor, &who)
}

fn collect(
    gpu: &Gpu,
    arguments: &Arguments,
    options: &EnvOptions,
    frame_stack: usize,
    actor: Actor,
    who: &str,
) -> Result<Collected, CliError> {
    let modes = choose_modes_together(&options.id, &arguments.modes, &[Mode::Train])?;
    let options = &EnvOptions {
        mode: modes.first().copied().unwrap_or_default(),
        ..options.clone()
    };
    let frames = arguments.frames as usize;
    let mut collector = Collector::new(
        gpu,
        options,
        frame_stack,
        actor,
        &modes,
        arguments.per_episode,
    )?;
    let names = collector.coordinate_names();
    let mut recording = Recording::new(frames, options.image_size, names.len())?;
    // Before it takes long: whether it can be written.
    Recording::prepare(&arguments.out, arguments.png)?;
    let mut progress = Progress::of("frame", arguments.quiet);
    while recording.count() < frames {
        let sight = collector.sight();
        collector.take_notices().iter().for_each(|n| note(n));
        let sight = sight?;
        recording.push(&Moment {
            frame: &sight.frame,
            saliency: sight.saliency.as_deref(),
            state: &sight.coordinates,
            episode: sight.episode,
        })?;
        progress.report(&Report {
            step: recording.count() as u64,
            steps: frames as u64,
            ..Default::default()
        });
    }
    progress.finish();
    let notes = json!({
        "env": options.id,
        "policy": who,
        "modes": modes.iter().map(Mode::to_string).collect::<Vec<_>>(),
        "seed": arguments.seed,
        "per_episode": arguments.per_episode,
        "action_repeat": collector.spec().action_repeat,
        "state": names,
    });
    Ok((recording, notes))
}

fn report(recording: &Recording, path: &Path) -> String {
    let (frames, episodes) = (recording.count(), recording.episodes());
    let saliency = match recording.mean_saliency() {
        Some(mean) => format!("saliency on {:.1} % of the pixels", 100.0 * mean),
        None => "no saliency: this environment does not say what matters".to_string(),
    };
    format!(
        "{} of {}, {saliency}\n{}",
        counted(frames, "frame"),
        counted(episodes, "episode"),
        path.display()
    )
}
