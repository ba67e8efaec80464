//! Runs of a plan, so many at once, each through its stages.

use std::sync::Mutex;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::Duration;

use serde_json::Value;

use super::error::SweepError;
use super::folder::{State, SweepFolder};
use super::outcome::{End, Failure, Outcome};
use super::plan::{Plan, PlannedRun};

/// Between looks at how far the runs are.
const TICK: Duration = Duration::from_millis(250);

/// What a run is taken through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Train {
        /// Whether to go on from what is in the run directory.
        resume: bool,
    },
    Evaluate,
}

impl Stage {
    /// Its name in messages and files.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Train { .. } => "train",
            Stage::Evaluate => "evaluate",
        }
    }
}

/// Something that trains and evaluates: child processes, or what a test puts in their
/// place. It is called from several threads.
pub trait Launch: Sync {
    /// Takes `run` through a stage, to its end. Returns what it printed, which after
    /// [`Stage::Evaluate`] is JSON.
    fn launch(
        &self,
        folder: &SweepFolder,
        plan: &Plan,
        run: &PlannedRun,
        stage: Stage,
    ) -> Result<String, Failure>;
}

/// What happens in a sweep. Runs are named by their place in the plan.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A run enters a stage.
    Begins { run: usize, stage: Stage },
    /// A run was finished before the sweep began.
    WasDone { run: usize },
    /// A run is trained and evaluated.
    Done { run: usize, outcome: Outcome },
    /// A run did not come to its end.
    Failed { run: usize, failure: Failure },
    /// A moment has passed.
    Tick,
}

/// Control steps per agent step of each run's world, by its place in the plan.
pub type ActionRepeats<'a> = &'a (dyn Fn(usize) -> usize + Sync);

/// Takes every run of `plan` through what it still lacks, at most `jobs` at once, in the
/// plan's order. A run that fails is recorded and does not stop the others. `watch` hears
/// of everything, on the calling thread.
///
/// Returns the runs that failed.
///
/// # Errors
/// [`SweepError::Run`] if the state of the folder cannot be read.
pub fn sweep(
    folder: &SweepFolder,
    plan: &Plan,
    launch: &dyn Launch,
    action_repeats: ActionRepeats,
    jobs: usize,
    watch: &mut dyn FnMut(&Event),
) -> Result<Vec<(usize, Failure)>, SweepError> {
    let mut pending = vec![];
    for (index, run) in plan.runs.iter().enumerate() {
        match folder.state(plan, run)? {
            State::Done(_) => watch(&Event::WasDone { run: index }),
            _ => pending.push(index),
        }
    }
    let mut failed = vec![];
    let workers = jobs.clamp(1, pending.len().max(1));
    let queue = Mutex::new(pending.into_iter());
    let (sender, events) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..workers {
            let (queue, sender) = (&queue, sender.clone());
            scope.spawn(move || {
                let worker = Worker {
                    folder,
                    plan,
                    launch,
                    action_repeats,
                    sender,
                };
                // A poisoned lock: another worker panicked, which the scope will tell of.
                while let Some(index) = queue.lock().ok().and_then(|mut queue| queue.next()) {
                    worker.take(index);
                }
            });
        }
        drop(sender);
        loop {
            match events.recv_timeout(TICK) {
                Ok(event) => {
                    watch(&event);
                    if let Event::Failed { run, failure } = event {
                        failed.push((run, failure));
                    }
                }
                Err(RecvTimeoutError::Timeout) => watch(&Event::Tick),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
    });
    failed.sort_by_key(|(run, _)| *run);
    Ok(failed)
}

struct Worker<'a> {
    folder: &'a SweepFolder,
    plan: &'a Plan,
    launch: &'a dyn Launch,
    action_repeats: ActionRepeats<'a>,
    sender: Sender<Event>,
}

impl Worker<'_> {
    /// One run to its end; how it ends is written beside it.
    fn take(&self, index: usize) {
        let Some(run) = self.plan.runs.get(index) else {
            return;
        };
        let end = match self.stages(index, run) {
            Ok(evaluation) => End::Done {
                action_repeat: (self.action_repeats)(index),
                evaluation,
            },
            Err(failure) => End::Failed(failure),
        };
        let outcome = Outcome::new(run, end);
        let written = outcome.write(&self.folder.outcome(run));
        let failure = match (outcome.failure(), written) {
            (Some(failure), _) => Some(failure.clone()),
            (None, Err(error)) => Some(not_kept(Stage::Evaluate, error.to_string())),
            (None, Ok(())) => None,
        };
        self.tell(match failure {
            Some(failure) => Event::Failed {
                run: index,
                failure,
            },
            None => Event::Done {
                run: index,
                outcome,
            },
        });
    }

    fn stages(&self, index: usize, run: &PlannedRun) -> Result<Value, Failure> {
        if !self.folder.is_trained(run) {
            let resume = self.folder.is_begun(run);
            self.stage(index, run, Stage::Train { resume })?;
        }
        let printed = self.stage(index, run, Stage::Evaluate)?;
        let evaluation: Value = serde_json::from_str(&printed)
            .map_err(|e| not_kept(Stage::Evaluate, format!("it printed no JSON: {e}")))?;
        require_numbers(self.plan, run, &evaluation)?;
        Ok(evaluation)
    }

    fn stage(&self, index: usize, run: &PlannedRun, stage: Stage) -> Result<String, Failure> {
        self.tell(Event::Begins { run: index, stage });
        self.launch.launch(self.folder, self.plan, run, stage)
    }

    fn tell(&self, event: Event) {
        // The listener outlives the workers.
        let _ = self.sender.send(event);
    }
}

/// Every look that the grid names must have a return, and one that is a number.
fn require_numbers(plan: &Plan, run: &PlannedRun, evaluation: &Value) -> Result<(), Failure> {
    let end = End::Done {
        action_repeat: 1,
        evaluation: evaluation.clone(),
    };
    let outcome = Outcome::new(run, end);
    for look in &plan.grid.looks {
        if outcome.mean(*look).is_none() {
            let why = format!("its return in look '{look}' is no number");
            return Err(not_kept(Stage::Evaluate, why));
        }
    }
    Ok(())
}

fn not_kept(stage: Stage, why: String) -> Failure {
    Failure {
        stage: stage.name().to_owned(),
        ended: why,
        log: vec![],
    }
}
