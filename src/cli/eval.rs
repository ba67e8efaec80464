//! `foveate eval`: returns of a trained agent in each look of its world.

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::error::CliError;
use super::output::{note, print, table};
use super::session::{Session, Trained, adapter_name, choose_modes, evaluation_options};
use super::summary::{Returns, returns_of};
use crate::agents::check_backgrounds;
use crate::agents::evaluate::{self, Actor};
use crate::config::AgentKind;
use crate::envs::native::Mode;
use crate::gpu::Gpu;

const EXAMPLES: &str = "\
Examples:
  foveate eval --run runs/reach
  foveate eval --run runs/reach --modes train,video-hard --episodes 30 --json

The agent acts by the mean of its policy, or the action of largest Q, in episodes that it
was not trained on: the same ones in every mode and at every call. With --adapt, a PAD
agent learns on from what it sees in each episode, without rewards; these are other
episodes than those without.";

/// Evaluate a trained agent: mean return in each look of its world.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Directory of the run
    #[arg(long, value_name = "DIR")]
    run: PathBuf,
    /// Looks to evaluate in, e.g. train,color-hard,video-easy,video-hard; all that the
    /// environment has if absent
    #[arg(long, value_name = "MODE,…", value_delimiter = ',')]
    modes: Vec<Mode>,
    /// Episodes per look; the run's eval_episodes if absent
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    episodes: Option<u32>,
    /// Let a PAD agent adapt itself to each episode, one after the other
    #[arg(long)]
    adapt: bool,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
    /// Folder of backgrounds for the video modes; the run's own if absent. Either videos and
    /// GIFs, each a clip, or PNG and JPEG files, together one clip; both are refused
    #[arg(long, value_name = "DIR")]
    backgrounds: Option<PathBuf>,
    /// Python with the real suites [env: FOVEATE_PYTHON]
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
}

pub(super) fn run(session: &Session, arguments: &Arguments) -> Result<(), CliError> {
    let gpu = session.gpu()?;
    let trained = Trained::load(
        &gpu,
        &arguments.run,
        &arguments.backgrounds,
        &arguments.python,
    )?;
    if arguments.adapt && trained.config.agent != AgentKind::Pad {
        return Err(CliError::NotForAgent {
            option: "adapt",
            agent: trained.config.agent,
            right: "pad, whose convolutions learn without rewards",
        });
    }
    let actor = match arguments.adapt {
        true => Actor::Adapting(&trained.agent),
        false => Actor::Agent(&trained.agent),
    };
    let modes = choose_modes(&trained.config.env, &arguments.modes, &Mode::ALL)?;
    let episodes = (arguments.episodes).map_or(trained.config.eval_episodes, |n| n as usize);
    if modes.iter().any(|mode| mode.is_video()) {
        // Not after all the episodes of the looks before.
        check_backgrounds(&trained.config, trained.python.clone())?;
    }
    let mut results = vec![];
    for mode in modes {
        let options = evaluation_options(&trained.config, mode, trained.python.clone());
        let stack = trained.config.frame_stack;
        let mut told = |text: String| note(&text);
        let played = evaluate::episodes(&gpu, &options, stack, &actor, episodes, &mut told)?;
        results.push(InMode {
            mode,
            returns: returns_of(&played),
            success: evaluate::success_rate(&played),
        });
    }
    print(&if arguments.json {
        format!("{:#}", as_json(&gpu, &trained, arguments.adapt, &results))
    } else {
        as_table(&trained, arguments.adapt, &results)
    })
}

/// What came of one look.
struct InMode {
    mode: Mode,
    returns: Returns,
    /// Of tasks that know success.
    success: Option<f64>,
}

/// Whole episodes of the run's environment in one look.
pub(super) fn evaluate(
    gpu: &Gpu,
    trained: &Trained,
    mode: Mode,
    actor: &Actor,
    episodes: usize,
) -> Result<Returns, CliError> {
    let options = evaluation_options(&trained.config, mode, trained.python.clone());
    let frame_stack = trained.config.frame_stack;
    let mut told = |text: String| note(&text);
    let played = evaluate::episodes(gpu, &options, frame_stack, actor, episodes, &mut told)?;
    Ok(returns_of(&played))
}

fn as_json(gpu: &Gpu, trained: &Trained, adapted: bool, results: &[InMode]) -> Value {
    let modes: Map<String, Value> = (results.iter())
        .map(|result| {
            let mut value = result.returns.to_json();
            if let Some(rate) = result.success {
                value["success_rate"] = rate.into();
            }
            (result.mode.to_string(), value)
        })
        .collect();
    json!({
        "run": trained.directory.root().display().to_string(),
        "agent": trained.config.agent,
        "env": trained.config.env,
        "seed": trained.config.seed,
        "step": trained.step,
        "adapts": adapted,
        "adapter": adapter_name(gpu),
        "modes": modes,
    })
}

fn as_table(trained: &Trained, adapted: bool, results: &[InMode]) -> String {
    let knows_success = results.iter().any(|result| result.success.is_some());
    let mut head = vec!["mode", "mean return", "std", "episodes"];
    head.extend(knows_success.then_some("success"));
    let mut rows = vec![head.into_iter().map(str::to_string).collect()];
    rows.extend(results.iter().map(|result| {
        let returns = &result.returns;
        let mut row = vec![
            result.mode.to_string(),
            format!("{:.1}", returns.mean()),
            format!("{:.1}", returns.std()),
            returns.0.len().to_string(),
        ];
        row.extend((result.success).map(|rate| format!("{:.0} %", 100.0 * rate)));
        row
    }));
    format!(
        "{} on {}, step {}{}\n{}",
        trained.config.agent,
        trained.config.env,
        trained.step,
        if adapted {
            ", adapted to each episode"
        } else {
            ""
        },
        table(&rows, &[false, true, true, true, true])
    )
}
