//! `foveate sweep`: every run of a grid, each in a process of its own.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::error::CliError;
use super::fleet::Fleet;
use super::output::{counted, note, print};
use super::session::{Session, choose_modes};
use crate::Error;
use crate::agents::{Choices, check_backgrounds, check_overlays, describe_world};
use crate::config::{Config, Inputs};
use crate::envs::{ActionSpace, EnvError, offers_saliency};
use crate::pretrained::{EncoderOptions, PretrainedEncoder};
use crate::run::directory::ENCODER;
use crate::shell::quoted;
use crate::sweep::{
    Children, Event, Failure, Grid, Plan, PlannedRun, State, SweepError, SweepFolder, sweep,
};

const EXAMPLES: &str = "\
Examples:
  foveate sweep grid.toml
  foveate sweep grid.toml --out runs/comparison --jobs 2
  foveate sweep grid.toml --animations
  foveate report runs/comparison

A grid:
  agents = [\"sac\", \"svea\", \"sgqn\"]
  tasks = [\"native/reach\", \"native/cartpole\"]
  seeds = [1, 2, 3]
  looks = [\"train\", \"color-hard\", \"video-easy\", \"video-hard\"]
  episodes = 30          # of each evaluation; without: the runs' eval_episodes
  [set]                  # the same in all runs, as in foveate train --set
  preset = \"tiny\"
  [axes]                 # further axes: any option of a run, with its values
  rho = [0.9, 0.95]

Every combination is a run: a process of its own trains it, another evaluates it in every
look. Whatever ends the sweep (Ctrl-C, a crash, a power cut), the same command goes on
from there: what is done is kept, what has begun is resumed from its last
checkpoint, what has failed is tried again. The grid may grow meanwhile: what it has more is done. PAD adapts itself while it is
evaluated (foveate eval --adapt).";

/// Train and evaluate a grid of runs: agents × tasks × seeds.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The grid, a TOML file
    #[arg(value_name = "GRID.toml")]
    grid: PathBuf,
    /// Folder of the sweep: new, empty, or that of the same grid; runs/NAME for NAME.toml
    /// if absent
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Runs at once, which share the device
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: u16,
    /// Python for real environments [env: FOVEATE_PYTHON]
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// Choose kernels by estimate, as in foveate train. Without: runs that measure wait
    /// for each other
    #[arg(long)]
    no_tune: bool,
    /// Film where the agents look, for the first seed of each column and task: foveate
    /// report shows it. Also of runs that are done
    #[arg(long)]
    animations: bool,
    /// No progress on standard error
    #[arg(long)]
    quiet: bool,
}

pub(super) fn run(session: &Session, arguments: &Arguments) -> Result<(), CliError> {
    let (grid, text) = Grid::read(&arguments.grid)?;
    let plan = Plan::of(grid).map_err(|error| error.of(&arguments.grid))?;
    // Whatever may be wrong with the grid is said before anything is written.
    let root = root(arguments);
    let repeats = open_worlds(&plan, &root, arguments)?;
    let children = children(session, arguments)?;
    let folder = SweepFolder::create(&root, &plan, &text, &command_line())?;

    let total: Vec<u64> = (plan.runs.iter().zip(&repeats))
        .map(|(run, repeat)| run.config.agent_steps(*repeat))
        .collect();
    let mut fleet = Fleet::new(&folder, &plan, total, arguments.quiet);
    if !arguments.quiet {
        note(&format!(
            "{} in {}, {} at once; Ctrl-C stops them, and the same command goes on from their last checkpoints",
            counted(plan.runs.len(), "run"),
            root.display(),
            arguments.jobs
        ));
    }
    let repeat_of = |run: usize| repeats.get(run).copied().unwrap_or(1);
    let jobs = usize::from(arguments.jobs);
    let mut watch = |event: &Event| fleet.hear(event);
    let failed = sweep(&folder, &plan, &children, &repeat_of, jobs, &mut watch)?;
    fleet.finish();
    for (run, failure) in &failed {
        note(&told(&folder, &plan, *run, failure));
    }
    print(&format!(
        "{} of {} runs are done\nnext  foveate report {}",
        plan.runs.len() - failed.len(),
        plan.runs.len(),
        quoted(&root.display().to_string())
    ))?;
    match failed.len() {
        0 => Ok(()),
        failed => Err(SweepError::Failed {
            failed,
            runs: plan.runs.len(),
        }
        .into()),
    }
}

/// Asks every world of the plan what it is, once, and looks at every file that runs will
/// need, however late. Returns how many control steps each run's agent steps are.
fn open_worlds(plan: &Plan, root: &Path, arguments: &Arguments) -> Result<Vec<usize>, CliError> {
    let earlier = SweepFolder::open(root).ok();
    let mut looked_at: Vec<&Path> = vec![];
    for task in &plan.grid.tasks {
        choose_modes(task, &plan.grid.looks, &[])?;
    }
    let mut asked: Vec<(&Config, usize, ActionSpace)> = vec![];
    let mut repeats = vec![];
    for run in &plan.runs {
        let config = &run.config;
        let failed = |source: Error| SweepError::Task {
            task: run.task.clone(),
            source: Box::new(source),
        };
        if config.inputs != Inputs::Rgb && !offers_saliency(&config.env) {
            let id = config.env.clone();
            return Err(failed(Error::Env(EnvError::NoSaliency { id })).into());
        }
        // What is done needs no files any more.
        let is_done = earlier
            .as_ref()
            .is_some_and(|folder| matches!(folder.state(plan, run), Ok(State::Done(_))));
        if !is_done {
            check_files(run, earlier.as_ref(), &mut looked_at, arguments).map_err(failed)?;
        }
        let known = asked.iter().find(|(other, _, _)| {
            other.env == config.env
                && other.image_size == config.image_size
                && other.action_repeat == config.action_repeat
        });
        let (repeat, actions) = match known {
            Some((_, repeat, actions)) => (*repeat, *actions),
            None => {
                let spec = describe_world(config, arguments.python.clone()).map_err(failed)?;
                asked.push((config, spec.action_repeat, spec.actions()));
                (spec.action_repeat, spec.actions())
            }
        };
        Choices::of_agent(config, actions).map_err(failed)?;
        repeats.push(repeat);
    }
    Ok(repeats)
}

/// Whether the folders and weights that a run names are there, and all backgrounds are clips.
/// `looked_at`: folders of backgrounds that were found to be right.
fn check_files<'a>(
    run: &'a PlannedRun,
    earlier: Option<&SweepFolder>,
    looked_at: &mut Vec<&'a Path>,
    arguments: &Arguments,
) -> Result<(), Error> {
    let config = &run.config;
    check_overlays(config)?;
    // A run that has begun has a copy of its encoder.
    let begun = earlier.is_some_and(|folder| folder.directory(run).join(ENCODER).exists());
    if let (Some(path), false) = (config.encoder.weights(), begun) {
        let options = EncoderOptions {
            heads: config.encoder_heads,
            image_size: None,
        };
        PretrainedEncoder::side_of(path, &options)?;
    }
    if let Some(folder) = &config.backgrounds
        && !looked_at.contains(&folder.as_path())
    {
        check_backgrounds(config, arguments.python.clone())?;
        looked_at.push(folder);
    }
    Ok(())
}

fn children(session: &Session, arguments: &Arguments) -> Result<Children, CliError> {
    let program = std::env::current_exe().map_err(|source| CliError::File {
        action: "find the program",
        path: PathBuf::from("foveate"),
        source,
    })?;
    let mut both: Vec<OsString> = vec![];
    if let Some(python) = &arguments.python {
        both.extend(["--python".into(), python.into()]);
    }
    Ok(Children {
        program,
        common: session.for_children(),
        both,
        train: match arguments.no_tune {
            true => vec!["--no-tune".into()],
            false => vec![],
        },
        animations: arguments.animations,
    })
}

fn root(arguments: &Arguments) -> PathBuf {
    match (&arguments.out, arguments.grid.file_stem()) {
        (Some(out), _) => out.clone(),
        (None, stem) => PathBuf::from("runs").join(stem.unwrap_or("sweep".as_ref())),
    }
}

/// The command as it was given.
pub(super) fn command_line() -> String {
    let given = std::env::args_os().skip(1);
    let words: Vec<String> = given.map(|word| quoted(&word.to_string_lossy())).collect();
    format!("foveate {}", words.join(" "))
}

/// What a run failed of, with the end of its log.
fn told(folder: &SweepFolder, plan: &Plan, index: usize, failure: &Failure) -> String {
    let Some(run) = plan.runs.get(index) else {
        return String::new();
    };
    let mut text = format!(
        "failed: {} ({}: {}); log: {}",
        run.name,
        failure.stage,
        failure.ended,
        folder.log(run).display()
    );
    for line in &failure.log {
        text.push_str("\n  ");
        text.push_str(line);
    }
    text
}
