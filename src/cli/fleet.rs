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
                // Nobody takes the rest of its steps.
                if let (Some(total), Some(step)) = (self.total.get_mut(*run), self.steps.get(*run))
                {
                    *total = *step;
                }
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
        let report = self.report();
        let mut about = format!("{}/{} runs done", self.done, self.plan.runs.len());
        if self.failed > 0 {
            about.push_str(&format!(", {} failed", self.failed));
        }
        if self.progress.is_about(about) || report.step != self.shown {
            self.shown = report.step;
            self.progress.report(&report);
        }
    }

    /// The steps of all runs together.
    fn report(&self) -> Report {
        let acts_at_random = |run: &usize| match (self.plan.runs.get(*run), self.steps.get(*run)) {
            (Some(planned), Some(step)) => *step <= planned.config.init_steps,
            _ => false,
        };
        Report {
            step: self.steps.iter().sum(),
            steps: self.total.iter().sum(),
            // Steps without updates tell nothing of those to come, and there are many of them
            // for each of the others that run beside.
            before_learning: self.training.iter().any(acts_at_random),
            ..Default::default()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::{Failure, Grid};

    const GRID: &str = r#"
        agents = ["sac", "sgqn"]
        tasks = ["native/reach"]
        seeds = [1]
        looks = ["train"]
        [set]
        preset = "tiny"
        steps = 40
        init_steps = 8
    "#;

    fn reached(folder: &SweepFolder, run: &PlannedRun, step: u64) {
        let directory = folder.directory(run);
        std::fs::create_dir_all(&directory).unwrap();
        let row = format!("{{\"step\":{step}}}\n");
        std::fs::write(directory.join("metrics.jsonl"), row).unwrap();
    }

    #[test]
    fn random_steps_and_those_that_nobody_takes_set_no_pace() {
        let keep = tempfile::tempdir().unwrap();
        let plan = Plan::of(Grid::parse(GRID).unwrap()).unwrap();
        let folder = SweepFolder::create(&keep.path().join("s"), &plan, GRID, "foveate").unwrap();
        let mut fleet = Fleet::new(&folder, &plan, vec![40, 40], true);
        assert!(!fleet.report().before_learning);
        let train = Stage::Train { resume: false };
        for run in [0, 1] {
            let stage = train.clone();
            fleet.hear(&Event::Begins { run, stage });
        }
        assert!(fleet.report().before_learning);
        for (of_first, of_second, random) in [(8, 3, true), (9, 3, true), (12, 9, false)] {
            reached(&folder, &plan.runs[0], of_first);
            reached(&folder, &plan.runs[1], of_second);
            fleet.hear(&Event::Tick);
            let report = fleet.report();
            assert_eq!(report.step, of_first + of_second);
            assert_eq!((report.steps, report.before_learning), (80, random));
        }
        let failure = Failure {
            stage: "train".into(),
            ended: "exit status: 1".into(),
            log: vec![],
        };
        fleet.hear(&Event::Failed { run: 0, failure });
        let report = fleet.report();
        assert_eq!((report.step, report.steps), (12 + 9, 12 + 40));
        let looks = vec![];
        let stage = Stage::Evaluate { looks };
        fleet.hear(&Event::Begins { run: 1, stage });
        let report = fleet.report();
        assert_eq!((report.step, report.steps), (52, 52));
        assert!(!report.before_learning);
    }
}
