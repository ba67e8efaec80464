//! Runs of a plan, so many at once, each through its stages.

use std::sync::Mutex;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::Duration;

use serde_json::Value;

use super::error::SweepError;
use super::folder::{State, SweepFolder};
use super::outcome::{End, Failure, Outcome};
use super::plan::{Plan, PlannedRun};
use crate::envs::native::Mode;

/// Between looks at how far the runs are.
const TICK: Duration = Duration::from_millis(250);
const EVALUATE: &str = "evaluate";

/// What a run is taken through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    Train {
        /// Whether to go on from what is in the run directory.
        resume: bool,
    },
    Evaluate {
        /// Those that it lacks.
        looks: Vec<Mode>,
    },
    /// An animation of where the agent looks.
    Animate,
}

impl Stage {
    /// Its name in messages and files.
    pub fn name(&self) -> &'static str {
        match self {
            Stage::Train { .. } => "train",
            Stage::Evaluate { .. } => EVALUATE,
            Stage::Animate => "animate",
        }
    }
}

/// Something that trains and evaluates: child processes, or what a test puts in their
/// place. It is called from several threads.
pub trait Launch: Sync {
    /// Whether the first seed of every column and task is to be filmed.
    fn animates(&self) -> bool {
        false
    }

    /// Takes `run` through a stage, to its end. Returns what it printed, which after
    /// [`Stage::Evaluate`] is JSON.
    fn launch(
        &self,
        folder: &SweepFolder,
        plan: &Plan,
        run: &PlannedRun,
        stage: &Stage,
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
    /// A run that is done could not be filmed.
    NotAnimated { run: usize, failure: Failure },
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
            State::Done(_) if !lacks_animation(folder, plan, run, launch)? => {
                watch(&Event::WasDone { run: index });
            }
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

/// Whether a run that is done is to be filmed and can be.
fn lacks_animation(
    folder: &SweepFolder,
    plan: &Plan,
    run: &PlannedRun,
    launch: &dyn Launch,
) -> Result<bool, SweepError> {
    let wanted = launch.animates() && plan.grid.seeds.first() == Some(&run.seed);
    Ok(wanted && folder.is_trained(run) && folder.animations(run)?.is_empty())
}

struct Worker<'a> {
    folder: &'a SweepFolder,
    plan: &'a Plan,
    launch: &'a dyn Launch,
    action_repeats: ActionRepeats<'a>,
    sender: Sender<Event>,
}

impl Worker<'_> {
    /// One run to its end; how it ends is written beside it. What is known of it is kept
    /// if an attempt to add to it fails.
    fn take(&self, index: usize) {
        let Some(run) = self.plan.runs.get(index) else {
            return;
        };
        // One that cannot be read has stopped the sweep before.
        let before = Outcome::read(&self.folder.outcome(run)).ok().flatten();
        let before = before.filter(Outcome::has_returns);
        let outcome = match (self.stages(index, run, before.as_ref()), before) {
            (Ok(evaluation), _) => {
                let action_repeat = (self.action_repeats)(index);
                Outcome::new(
                    run,
                    End::Done {
                        action_repeat,
                        evaluation,
                    },
                )
            }
            (Err(failure), Some(before)) => Outcome {
                failed_since: Some(failure),
                ..before
            },
            (Err(failure), None) => Outcome::new(run, End::Failed(failure)),
        };
        let written = outcome.write(&self.folder.outcome(run));
        let failure = match (outcome.failure(), written) {
            (Some(failure), _) => Some(failure.clone()),
            (None, Err(error)) => Some(not_kept(error.to_string())),
            (None, Ok(())) => None,
        };
        if failure.is_none() {
            self.animate(index, run);
        }
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

    /// Training, where it is not at its end, and evaluation in the looks that `before`
    /// lacks. Of an agent that was trained just now nothing is known yet.
    fn stages(
        &self,
        index: usize,
        run: &PlannedRun,
        mut before: Option<&Outcome>,
    ) -> Result<Value, Failure> {
        self.folder.await_orphan(run);
        if !self.folder.is_trained(run) {
            let resume = self.folder.is_begun(run);
            self.stage(index, run, Stage::Train { resume })?;
            before = None;
        }
        let looks = match before {
            Some(before) => before.missing(self.plan, run),
            None => self.plan.grid.looks.clone(),
        };
        if let (Some(evaluation), true) = (before.and_then(Outcome::evaluation), looks.is_empty()) {
            return Ok(evaluation.clone());
        }
        let printed = self.stage(index, run, Stage::Evaluate { looks })?;
        let mut evaluation: Value = serde_json::from_str(&printed)
            .map_err(|e| not_kept(format!("it printed no JSON: {e}")))?;
        if let Some(before) = before {
            evaluation = before.merged_into(evaluation);
        }
        require_numbers(self.plan, run, &evaluation)?;
        Ok(evaluation)
    }

    /// The animation of a run that is done, if it is to have one. Without it the run is
    /// done all the same.
    fn animate(&self, index: usize, run: &PlannedRun) {
        let filmed = match lacks_animation(self.folder, self.plan, run, self.launch) {
            Ok(true) => self.stage(index, run, Stage::Animate).map(drop),
            Ok(false) => Ok(()),
            Err(error) => Err(Failure {
                stage: Stage::Animate.name().to_owned(),
                ended: error.to_string(),
                log: vec![],
            }),
        };
        if let Err(failure) = filmed {
            self.tell(Event::NotAnimated {
                run: index,
                failure,
            });
        }
    }

    fn stage(&self, index: usize, run: &PlannedRun, stage: Stage) -> Result<String, Failure> {
        self.tell(Event::Begins {
            run: index,
            stage: stage.clone(),
        });
        self.launch.launch(self.folder, self.plan, run, &stage)
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
            return Err(not_kept(why));
        }
    }
    Ok(())
}

fn not_kept(why: String) -> Failure {
    Failure {
        stage: EVALUATE.to_owned(),
        ended: why,
        log: vec![],
    }
}
