//! What a sweep's folder holds, read once.

use std::path::{Path, PathBuf};

use crate::Error;
use crate::envs::native::Mode;
use crate::run::{RunError, metrics};
use crate::sweep::folder::Command;
use crate::sweep::{Outcome, Plan, PlannedRun, State, SweepFolder};

/// A sweep as far as it has come.
#[derive(Debug, Clone, PartialEq)]
pub struct Results {
    /// The folder's name.
    pub name: String,
    pub plan: Plan,
    /// The grid as it was given.
    pub grid: String,
    /// The commands that made it.
    pub commands: Vec<Command>,
    /// In the plan's order.
    pub runs: Vec<RunResult>,
}

/// The state of a run that a damaged file keeps from telling more.
const DAMAGED: &str = "damaged";

/// What there is of one run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunResult {
    pub run: PlannedRun,
    /// Its run directory.
    pub directory: PathBuf,
    pub state: State,
    /// (agent step, mean return) of each evaluation in the look of training.
    pub evaluations: Vec<(f64, f64)>,
    /// Its GIF files, sorted.
    pub animations: Vec<PathBuf>,
    /// What is wrong with files of it, which were passed over.
    pub damage: Vec<String>,
    /// Its returns, perhaps not in all looks.
    returned: Option<Outcome>,
    /// Episodes that it is to be evaluated in.
    episodes: usize,
}

impl RunResult {
    /// What came of it, if it was evaluated at all: perhaps not in all looks.
    pub fn outcome(&self) -> Option<&Outcome> {
        self.returned.as_ref()
    }

    /// Mean return in a look, if it was evaluated there as the grid wants.
    pub fn mean(&self, look: Mode) -> Option<f64> {
        self.in_look(look)?.mean(look)
    }

    /// The share of episodes in a look in which the task was done, where the task says.
    pub fn success_rate(&self, look: Mode) -> Option<f64> {
        self.in_look(look)?.success_rate(look)
    }

    fn in_look(&self, look: Mode) -> Option<&Outcome> {
        let outcome = self.outcome()?;
        (outcome.episodes(look) == Some(self.episodes)).then_some(outcome)
    }

    /// Whether it is trained and evaluated.
    pub fn is_done(&self) -> bool {
        matches!(self.state, State::Done(_))
    }

    /// Its state in one word.
    pub fn status(&self) -> &'static str {
        match self.state {
            _ if !self.is_done() && !self.damage.is_empty() => DAMAGED,
            State::New => "missing",
            State::Begun => "unfinished",
            State::Trained => "not evaluated",
            State::Failed(_) => "failed",
            State::Done(_) => "done",
        }
    }
}

impl Results {
    /// Reads what is there, also while it is being swept. A damaged file of one run is no
    /// reason to show nothing of the others: it is named in [`RunResult::damage`].
    ///
    /// # Errors
    /// [`Error::Sweep`] for a grid that cannot be read, [`Error::Run`] for files and
    /// folders that cannot be read at all.
    pub fn read(folder: &SweepFolder) -> Result<Results, Error> {
        let (plan, grid) = folder.plan()?;
        let mut runs = vec![];
        for run in &plan.runs {
            let mut damage = vec![];
            let (state, outcome) = match Outcome::read(&folder.outcome(run)) {
                Ok(outcome) => (folder.state(&plan, run)?, outcome),
                Err(error @ RunError::Damaged { .. }) => {
                    damage.push(error.to_string());
                    (folder.trained_so_far(run), None)
                }
                Err(error) => return Err(error.into()),
            };
            let returned = outcome.filter(Outcome::has_returns);
            let directory = folder.directory(run);
            let evaluations = match evaluations(&directory, returned.as_ref()) {
                Err(error @ RunError::Damaged { .. }) => {
                    damage.push(error.to_string());
                    vec![]
                }
                evaluations => evaluations?,
            };
            runs.push(RunResult {
                run: run.clone(),
                evaluations,
                state,
                animations: folder.animations(run)?,
                damage,
                directory,
                returned,
                episodes: plan.episodes(run),
            });
        }
        // "." and the like have a name too.
        let root = folder.root();
        let whole = root.canonicalize().unwrap_or_else(|_| root.to_owned());
        let name = whole.file_name().unwrap_or(whole.as_os_str());
        Ok(Results {
            name: name.to_string_lossy().into_owned(),
            plan,
            grid,
            commands: folder.commands()?,
            runs,
        })
    }

    /// The runs of a task that are compared in a column.
    pub fn of<'a>(&'a self, task: &'a str, column: &'a str) -> impl Iterator<Item = &'a RunResult> {
        let here = move |r: &&RunResult| r.run.task == task && r.run.column() == column;
        self.runs.iter().filter(here)
    }

    /// How many runs are in a state with this word.
    pub fn count(&self, status: &str) -> usize {
        self.runs.iter().filter(|r| r.status() == status).count()
    }
}

/// Those of training, and the last one, of the trained agent.
fn evaluations(directory: &Path, outcome: Option<&Outcome>) -> Result<Vec<(f64, f64)>, RunError> {
    let path = directory.join("metrics.jsonl");
    let mut points = match path.exists() {
        true => metrics::points(&metrics::read(&path)?, "eval", "train"),
        false => vec![],
    };
    if let Some(outcome) = outcome
        && let (Some(step), Some(mean)) = (outcome.step(), outcome.mean(Mode::Train))
        && points.last().is_none_or(|(last, _)| *last < step as f64)
    {
        points.push((step as f64, mean));
    }
    Ok(points)
}
