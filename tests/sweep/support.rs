//! A grid, and what stands in for the children that train its runs.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use foveate::envs::native::Mode;
use foveate::run::RunDirectory;
use foveate::sweep::{
    Failure, Grid, GridError, Launch, Plan, PlannedRun, Stage, SweepError, SweepFolder, sweep,
};
use serde_json::json;
use tempfile::TempDir;

pub const GRID: &str = r#"
agents = ["sac", "sgqn"]
tasks = ["native/reach", "native/cartpole"]
seeds = [3, 1]
looks = ["train", "video-hard"]
episodes = 2
[set]
preset = "tiny"
steps = 40
"#;

pub fn plan(text: &str) -> Result<Plan, GridError> {
    Plan::of(Grid::parse(text)?)
}

/// In all looks of the grid.
pub fn evaluate() -> Stage {
    Stage::Evaluate {
        looks: vec![Mode::Train, Mode::VideoHard],
    }
}

/// What stands in for training: it leaves the files that tell how far a run is.
pub struct Fake {
    pub fails: HashSet<String>,
    /// Fails at evaluations alone.
    pub trains: bool,
    pub animates: bool,
    pub calls: Mutex<Vec<(String, Stage)>>,
    /// How many ran at once, now and at most.
    pub at_once: Mutex<(usize, usize)>,
}

impl Fake {
    pub fn new(fails: &[&str]) -> Fake {
        Fake {
            fails: fails.iter().map(|name| name.to_string()).collect(),
            trains: false,
            animates: false,
            calls: Mutex::default(),
            at_once: Mutex::default(),
        }
    }

    pub fn calls(&self) -> Vec<(String, Stage)> {
        self.calls.lock().unwrap().clone()
    }
}

/// As `foveate train` leaves a run, with or without its end.
pub fn train(folder: &SweepFolder, run: &PlannedRun, to_the_end: bool) {
    let root = folder.directory(run);
    let directory = match root.exists() {
        true => RunDirectory::resume(&root).unwrap(),
        false => RunDirectory::create(&root).unwrap(),
    };
    directory
        .write_config(&run.config.to_toml().unwrap())
        .unwrap();
    fs::write(
        directory.metrics(),
        "{\"step\":7,\"kind\":\"eval\",\"train\":1.0}\n",
    )
    .unwrap();
    if to_the_end {
        directory
            .write_summary(&json!({"steps": run.config.steps}))
            .unwrap();
    }
}

impl Launch for Fake {
    fn animates(&self) -> bool {
        self.animates
    }

    fn launch(
        &self,
        folder: &SweepFolder,
        plan: &Plan,
        run: &PlannedRun,
        stage: &Stage,
    ) -> Result<String, Failure> {
        let call = (run.name.clone(), stage.clone());
        self.calls.lock().unwrap().push(call);
        {
            let mut at_once = self.at_once.lock().unwrap();
            at_once.0 += 1;
            at_once.1 = at_once.1.max(at_once.0);
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
        self.at_once.lock().unwrap().0 -= 1;
        let is_training = matches!(stage, Stage::Train { .. });
        if self.fails.contains(&run.name) && !(self.trains && is_training) {
            return Err(Failure {
                stage: stage.name().into(),
                ended: "exit status: 1".into(),
                log: vec!["error: critic_loss became NaN".into()],
            });
        }
        match stage {
            Stage::Train { .. } => {
                train(folder, run, true);
                Ok(String::new())
            }
            Stage::Animate => {
                let media = folder.directory(run).join("media");
                fs::write(media.join("attention.gif"), "GIF").unwrap();
                Ok(String::new())
            }
            Stage::Evaluate { looks } => {
                let result = json!({"mean": run.seed, "episodes": plan.episodes(run)});
                let looks = looks.iter();
                let modes: serde_json::Map<_, _> = looks
                    .map(|look| (look.to_string(), result.clone()))
                    .collect();
                let adapts = run.agent == "pad";
                Ok(json!({"step": run.config.steps, "adapts": adapts, "modes": modes}).to_string())
            }
        }
    }
}

pub fn open(root: &Path, text: &str) -> Result<(SweepFolder, Plan), SweepError> {
    let plan = plan(text).unwrap();
    let folder = SweepFolder::create(root, &plan, text, "foveate sweep grid.toml")?;
    Ok((folder, plan))
}

pub fn go(folder: &SweepFolder, plan: &Plan, fake: &Fake, jobs: usize) -> Vec<(usize, Failure)> {
    sweep(folder, plan, fake, &|_| 4, jobs, &mut |_| {}).unwrap()
}

pub fn temporary() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("sweep");
    (folder, root)
}
