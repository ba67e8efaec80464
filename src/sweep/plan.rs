//! From a grid to its runs.

use std::collections::HashMap;

use toml::Value;

use super::error::GridError;
use super::grid::Grid;
use crate::config::{AgentKind, Augmentation, Config, EncoderKind, Layers, Preset};
use crate::nn::Method;

/// A grid of more runs is a mistake.
const MOST_RUNS: usize = 10_000;

/// One run of a sweep.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedRun {
    /// Names its folder and its files: letters, digits, `.`, `_` and `-`.
    pub name: String,
    pub agent: String,
    /// Environment id.
    pub task: String,
    pub seed: u64,
    /// Its values on the further axes.
    pub settings: Vec<(&'static str, String)>,
    /// What `foveate train --set` is given beside agent, task and seed.
    pub set: Vec<String>,
    /// All options. A pretrained encoder may still decide `image_size`.
    pub config: Config,
}

impl PlannedRun {
    /// What the run is compared as: the agent and its further settings, e.g.
    /// `sgqn, rho 0.9`.
    pub fn column(&self) -> String {
        let mut text = self.agent.clone();
        for (key, value) in &self.settings {
            text.push_str(&format!(", {key} {value}"));
        }
        text
    }

    /// Whether its options say what `key` is; else its preset does.
    pub fn gives(&self, key: &str) -> bool {
        let is_it = |option: &String| option.split('=').next() == Some(key);
        self.set.iter().any(is_it)
    }

    /// The name under which papers publish what came of such an agent; of augmentations that
    /// none of them has, a name of its own.
    pub fn published_as(&self) -> &str {
        let config = &self.config;
        let in_critic = config.svea_augmentation == Augmentation::Conv;
        let in_auxiliary = config.aux_augmentation == Augmentation::Conv;
        match (config.agent, &config.encoder, config.preset) {
            (AgentKind::Sac, EncoderKind::Cnn, Preset::Visarl) => "visarl-cnn",
            (
                AgentKind::Sac,
                EncoderKind::Pretrained {
                    method: Method::MultiMae,
                    ..
                },
                Preset::Visarl,
            ) => "visarl-multimae",
            (AgentKind::Svea, ..) if in_critic => "svea-conv",
            (AgentKind::Soda, ..) if in_auxiliary => "soda-conv",
            (AgentKind::SveaSoda, ..) if in_critic || in_auxiliary => "svea-soda-conv",
            (AgentKind::Sgqn, ..) if in_auxiliary => "sgqn-conv",
            (AgentKind::SacSelfSupervision, ..) if in_auxiliary => "sac-self-supervision-conv",
            _ => &self.agent,
        }
    }
}

/// All runs of a grid.
///
/// Seeds vary slowest, then tasks, then the further axes (the last of them fastest), and
/// agents fastest of all: a sweep that is cut short has compared all agents on its first
/// seeds.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    pub grid: Grid,
    pub runs: Vec<PlannedRun>,
}

impl Plan {
    /// Expands a grid.
    ///
    /// # Errors
    /// [`GridError::Run`] for options that do not fit together, [`GridError::SameFolder`],
    /// [`GridError::TooMany`].
    pub fn of(grid: Grid) -> Result<Plan, GridError> {
        require_few(&grid)?;
        let combinations = combinations(&grid.axes);
        let mut runs = vec![];
        for &seed in &grid.seeds {
            for task in &grid.tasks {
                for settings in &combinations {
                    for agent in &grid.agents {
                        runs.push(plan_run(&grid, agent, task, seed, settings)?);
                    }
                }
            }
        }
        require_own_folders(&runs)?;
        Ok(Plan { grid, runs })
    }

    /// What tables compare, in order: each column's name once.
    pub fn columns(&self) -> Vec<String> {
        let mut columns: Vec<String> = vec![];
        for run in &self.runs {
            let column = run.column();
            if !columns.contains(&column) {
                columns.push(column);
            }
        }
        columns
    }

    /// Episodes that `run` is evaluated in, of each look.
    pub fn episodes(&self, run: &PlannedRun) -> usize {
        self.grid.episodes.unwrap_or(run.config.eval_episodes)
    }

    /// In what this plan contradicts an `earlier` one: a run that it lacks or has with
    /// other options. `None` if it has all of the earlier runs as they were.
    pub fn difference(&self, earlier: &Plan) -> Option<String> {
        let ours: HashMap<&str, &PlannedRun> =
            self.runs.iter().map(|r| (r.name.as_str(), r)).collect();
        for run in &earlier.runs {
            match ours.get(run.name.as_str()) {
                None => return Some(format!("run '{}' is not in this one", run.name)),
                Some(other) if other.config != run.config => {
                    let what = changed(&run.set, &other.set);
                    return Some(format!("run '{}' {what}", run.name));
                }
                Some(_) => {}
            }
        }
        None
    }
}

fn plan_run(
    grid: &Grid,
    agent: &str,
    task: &str,
    seed: u64,
    settings: &[(&'static str, Value)],
) -> Result<PlannedRun, GridError> {
    let common = grid.set.iter().map(|(key, value)| (*key, value));
    let own = settings.iter().map(|(key, value)| (*key, value));
    let set: Vec<String> = (common.chain(own))
        .map(|(key, value)| format!("{key}={}", shown(value)))
        .collect();
    let settings: Vec<_> = (settings.iter())
        .map(|(key, value)| (*key, shown(value)))
        .collect();
    let mut name = format!("{}-{}", plain(agent), plain(task));
    for (key, value) in &settings {
        name.push_str(&format!("-{key}-{}", plain(value)));
    }
    name.push_str(&format!("-seed-{seed}"));
    let layers = Layers {
        set: set.clone(),
        agent: Some(agent.to_owned()),
        env: Some(task.to_owned()),
        seed: Some(seed),
        ..Default::default()
    };
    let config = Config::resolve(&layers).map_err(|source| GridError::Run {
        run: name.clone(),
        source: Box::new(source),
    })?;
    Ok(PlannedRun {
        name,
        agent: agent.to_owned(),
        task: task.to_owned(),
        seed,
        settings,
        set,
        config,
    })
}

/// Every combination of the axes' values, the last axis fastest.
fn combinations(axes: &[(&'static str, Vec<Value>)]) -> Vec<Vec<(&'static str, Value)>> {
    let mut all = vec![vec![]];
    for (key, values) in axes {
        all = (all.iter())
            .flat_map(|before| {
                values.iter().map(|value| {
                    let mut longer = before.clone();
                    longer.push((*key, value.clone()));
                    longer
                })
            })
            .collect();
    }
    all
}

/// A value as `--set` takes it: texts without quotes, the rest as TOML.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// What may stand in a file's name on every system.
pub(crate) fn plain(text: &str) -> String {
    let keep = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '_';
    let kept: String = text
        .chars()
        .map(|c| if keep(c) { c } else { '-' })
        .collect();
    kept.trim_matches(['-', '.']).to_owned()
}

fn require_few(grid: &Grid) -> Result<(), GridError> {
    let lengths = [grid.agents.len(), grid.tasks.len(), grid.seeds.len()];
    let mut all = lengths
        .into_iter()
        .chain(grid.axes.iter().map(|a| a.1.len()));
    let count = all.try_fold(1usize, |product, n| product.checked_mul(n));
    match count {
        Some(count) if count <= MOST_RUNS => Ok(()),
        count => Err(GridError::TooMany {
            count: count.map_or("countless".to_owned(), |n| n.to_string()),
            most: MOST_RUNS,
        }),
    }
}

fn require_own_folders(runs: &[PlannedRun]) -> Result<(), GridError> {
    let mut seen: HashMap<String, &PlannedRun> = HashMap::new();
    for run in runs {
        // Some file systems do not tell a from A.
        if let Some(first) = seen.insert(run.name.to_lowercase(), run) {
            let say =
                |run: &PlannedRun| format!("{} on {}, seed {}", run.column(), run.task, run.seed);
            return Err(GridError::SameFolder {
                folder: run.name.clone(),
                first: say(first),
                second: say(run),
            });
        }
    }
    Ok(())
}

/// What became of the options of a run.
fn changed(before: &[String], now: &[String]) -> String {
    let lost: Vec<_> = before.iter().filter(|o| !now.contains(o)).collect();
    let new: Vec<_> = now.iter().filter(|o| !before.contains(o)).collect();
    let list = |options: &[&String]| match options {
        [] => "nothing".to_owned(),
        _ => (options.iter().map(|o| o.as_str()))
            .collect::<Vec<_>>()
            .join(", "),
    };
    format!("had {} where this one has {}", list(&lost), list(&new))
}
