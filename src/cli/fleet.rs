//! How far all the runs of a sweep are: one display for all of them.

use super::progress::Progress;
use crate::agents::Report;
use crate::sweep::{Event, Outcome, Plan, PlannedRun, Stage, SweepFolder};

/// Shows the events of a sweep on standard error.
pub(super) struct Fleet<'a> {
    folder: &'a SweepFolder,
    plan: &'a Plan,
    progress: Progress,
    /// Agent steps of each run, all and so far.
    total: Vec<u64>,
    steps: Vec<u64>,
    /// What is being trained.
    training: Vec<usize>,
    done: usize,
    failed: usize,
    shown: u64,
}

impl<'a> Fleet<'a> {
    /// `total`: agent steps of each run of the plan.
    pub fn new(folder: &'a SweepFolder, plan: &'a Plan, total: Vec<u64>, quiet: bool) -> Self {
        let begun = plan.runs.iter().zip(&total);
        let steps = begun.map(|(run, total)| folder.steps(run).min(*total));
        Fleet {
            folder,
            plan,
            progress: Progress::of("step", quiet),
            steps: steps.collect(),
            total,
            training: vec![],
            done: 0,
            failed: 0,
            shown: 0,
        }
    }

    /// Takes an event.
    pub fn hear(&mut self, event: &Event) {
        match event {
            Event::WasDone { run } => {
                self.done += 1;
                self.reached(*run, u64::MAX);
                self.say(*run, "was done before");
            }
            Event::Begins { run, stage } => {
                self.training.retain(|other| other != run);
                match stage {
                    Stage::Train { resume } => {
                        self.training.push(*run);
                        self.say(*run, if *resume { "resumes" } else { "begins" });
                    }
                    Stage::Evaluate { looks } => {
                        self.reached(*run, u64::MAX);
                        let looks: Vec<_> = looks.iter().map(|look| look.name()).collect();
                        self.say(
                            *run,
                            &format!("is trained, is evaluated in {}", looks.join(", ")),
                        );
                    }
                    Stage::Animate => self.say(*run, "is filmed"),
                }
            }
            Event::Done { run, outcome } => {
                self.done += 1;
                self.say(*run, &returns(self.plan, outcome));
            }
            Event::Failed { run, failure } => {
                self.failed += 1;
                self.training.retain(|other| other != run);
                self.say(
                    *run,
                    &format!("FAILED ({}: {})", failure.stage, failure.ended),
                );
            }
            Event::NotAnimated { run, failure } => self.say(
                *run,
                &format!(
                    "has no animation ({})",
                    failure.log.last().unwrap_or(&failure.ended)
                ),
            ),
            Event::Tick => {
                for run in self.training.clone() {
                    if let Some(planned) = self.plan.runs.get(run) {
                        self.reached(run, self.folder.steps(planned));
                    }
                }
            }
        }
        self.show();
    }

    /// Leaves the last state standing.
    pub fn finish(self) {
        self.progress.finish();
    }

    fn reached(&mut self, run: usize, step: u64) {
        if let (Some(now), Some(total)) = (self.steps.get_mut(run), self.total.get(run)) {
            // A resumed run goes back to its checkpoint.
            *now = step.min(*total);
        }
    }

    fn say(&mut self, run: usize, what: &str) {
        let name = self.plan.runs.get(run).map_or("", |r: &PlannedRun| &r.name);
        self.progress.say(&format!("{name} {what}"));
    }

    fn show(&mut self) {
        let step = self.steps.iter().sum();
        let mut about = format!("{}/{} runs done", self.done, self.plan.runs.len());
        if self.failed > 0 {
            about.push_str(&format!(", {} failed", self.failed));
        }
        if self.progress.is_about(about) || step != self.shown {
            self.shown = step;
            self.progress.report(&Report {
                step,
                steps: self.total.iter().sum(),
                ..Default::default()
            });
        }
    }
}

/// `is done: train 61.2, video-hard 40.3`
fn returns(plan: &Plan, outcome: &Outcome) -> String {
    let each = plan
        .grid
        .looks
        .iter()
        .map(|look| match outcome.mean(*look) {
            Some(mean) => format!("{look} {mean:.1}"),
            None => format!("{look} ?"),
        });
    format!("is done: {}", each.collect::<Vec<_>>().join(", "))
}
