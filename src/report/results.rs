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

/// What there is of one run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunResult {
    pub run: PlannedRun,
    pub state: State,
    /// (agent step, mean return) of each evaluation in the look of training.
    pub evaluations: Vec<(f64, f64)>,
    /// Its GIF files, sorted.
    pub animations: Vec<PathBuf>,
}

impl RunResult {
    /// What came of it, if it is done.
    pub fn outcome(&self) -> Option<&Outcome> {
        match &self.state {
            State::Done(outcome) => Some(outcome),
            _ => None,
        }
    }

    /// Its state in one word.
    pub fn status(&self) -> &'static str {
        match self.state {
            State::New => "missing",
            State::Begun => "unfinished",
            State::Trained => "not evaluated",
            State::Failed(_) => "failed",
            State::Done(_) => "done",
        }
    }
}

impl Results {
    /// Reads what is there, also while it is being swept.
    ///
    /// # Errors
    /// [`Error::Sweep`] for a grid or an outcome that cannot be read, [`Error::Run`] for
    /// metrics and folders.
    pub fn read(folder: &SweepFolder) -> Result<Results, Error> {
        let (plan, grid) = folder.plan()?;
        let mut runs = vec![];
        for run in &plan.runs {
            let directory = folder.directory(run);
            let state = folder.state(&plan, run)?;
            runs.push(RunResult {
                run: run.clone(),
                evaluations: evaluations(&directory, &state)?,
                state,
                animations: animations(&directory)?,
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
fn evaluations(directory: &Path, state: &State) -> Result<Vec<(f64, f64)>, RunError> {
    let path = directory.join("metrics.jsonl");
    let mut points = match path.exists() {
        true => metrics::points(&metrics::read(&path)?, "eval", "train"),
        false => vec![],
    };
    if let State::Done(outcome) = state
        && let (Some(step), Some(mean)) = (outcome.step(), outcome.mean(Mode::Train))
        && points.last().is_none_or(|(last, _)| *last < step as f64)
    {
        points.push((step as f64, mean));
    }
    Ok(points)
}

fn animations(directory: &Path) -> Result<Vec<PathBuf>, RunError> {
    let folder = directory.join("media");
    if !folder.is_dir() {
        return Ok(vec![]);
    }
    let mut files = vec![];
    for entry in std::fs::read_dir(&folder).map_err(|e| RunError::io("list", &folder, e))? {
        let path = entry.map_err(|e| RunError::io("list", &folder, e))?.path();
        if path
            .extension()
            .is_some_and(|e| e.eq_ignore_ascii_case("gif"))
        {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
