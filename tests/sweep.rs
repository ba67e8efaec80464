//! Sweeps without a device: grids, their expansion, and what is done with what is there.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::sync::Mutex;

use foveate::envs::native::Mode;
use foveate::run::RunDirectory;
use foveate::sweep::outcome::End;
use foveate::sweep::{
    Children, Event, Failure, Grid, GridError, Launch, Outcome, Plan, PlannedRun, Stage, State,
    SweepError, SweepFolder, sweep,
};
use serde_json::json;
use tempfile::TempDir;

const GRID: &str = r#"
agents = ["sac", "sgqn"]
tasks = ["native/reach", "native/cartpole"]
seeds = [3, 1]
looks = ["train", "video-hard"]
episodes = 2
[set]
preset = "tiny"
steps = 40
"#;

fn plan(text: &str) -> Result<Plan, GridError> {
    Plan::of(Grid::parse(text)?)
}

/// The smallest grid with some lines more.
fn small(more: &str) -> Result<Plan, GridError> {
    plan(&format!(
        "agents = ['sac']\ntasks = ['native/reach']\nseeds = [1]\nlooks = ['train']\n{more}"
    ))
}

/// In all looks of the grid.
fn evaluate() -> Stage {
    Stage::Evaluate {
        looks: vec![Mode::Train, Mode::VideoHard],
    }
}

fn names(plan: &Plan) -> Vec<&str> {
    plan.runs.iter().map(|run| run.name.as_str()).collect()
}

#[test]
fn seeds_vary_slowest_and_agents_fastest() {
    let expected = [
        "sac-native-reach-seed-3",
        "sgqn-native-reach-seed-3",
        "sac-native-cartpole-seed-3",
        "sgqn-native-cartpole-seed-3",
        "sac-native-reach-seed-1",
        "sgqn-native-reach-seed-1",
        "sac-native-cartpole-seed-1",
        "sgqn-native-cartpole-seed-1",
    ];
    let plan = plan(GRID).unwrap();
    assert_eq!(names(&plan), expected);
    let run = &plan.runs[3];
    assert_eq!(run.set, ["preset=tiny", "steps=40"]);
    assert_eq!((run.config.steps, run.config.seed), (40, 3));
    assert_eq!(run.config.env, "native/cartpole");
    assert_eq!(plan.columns(), ["sac", "sgqn"]);
}

#[test]
fn further_axes_name_folders_and_columns() {
    let plan = small("[axes]\nrho = [0.9, 0.95]\nbatch = [4, 8]").unwrap();
    // In the order of config.toml, not of the grid; the last one fastest.
    let expected = [
        "sac-native-reach-batch-4-rho-0.9-seed-1",
        "sac-native-reach-batch-4-rho-0.95-seed-1",
        "sac-native-reach-batch-8-rho-0.9-seed-1",
        "sac-native-reach-batch-8-rho-0.95-seed-1",
    ];
    assert_eq!(names(&plan), expected);
    assert_eq!(plan.columns()[1], "sac, batch 4, rho 0.95");
    let config = &plan.runs[2].config;
    assert_eq!((config.batch, config.rho), (8, 0.9));
}

/// What is wrong is named, and what would be right.
#[test]
fn mistakes_in_a_grid_are_named() {
    let cases = [
        (
            "agenst = ['sac']",
            "unknown key 'agenst' (did you mean 'agents'?)",
        ),
        (
            "episodes = 0",
            "'episodes' is 0, but must be an integer from 1",
        ),
        (
            "[set]\nbacth = 4",
            "unknown option 'bacth' in [set] (did you mean 'batch'?)",
        ),
        (
            "[axes]\nrhoo = [0.9]",
            "unknown option 'rhoo' in [axes] (did you mean 'rho'?)",
        ),
        (
            "[set]\nbatch = 'four'",
            "'batch' in [set] is \"four\", but must be an integer",
        ),
        ("[axes]\nrho = []", "'rho' is empty"),
        ("[axes]\nrho = 0.9", "'rho' is 0.9, but must be a list"),
        ("[axes]\nrho = [1, 1.0]", "'rho' has 1.0 twice"),
        (
            "[axes]\nrho = [0.9]\n[set]\nrho = 0.8",
            "'rho' is in [axes] and in [set]",
        ),
        (
            "[set]\nseed = 4",
            "'seed' in [set] is an axis of its own: give its values as seeds",
        ),
        (
            "[axes]\nenv = ['x']",
            "'env' in [axes] is an axis of its own",
        ),
        (
            "[axes]\nbatch = [0]",
            "run 'sac-native-reach-batch-0-seed-1': option 'batch' is 0",
        ),
        ("x = ", "it is not TOML"),
        (
            "[axes]\noverlays = ['a b', 'a-b']",
            "share the folder 'sac-native-reach-overlays-a-b-seed-1'",
        ),
        (
            "[axes]\noverlays = ['x', 'X']",
            "share the folder 'sac-native-reach-overlays-X-seed-1'",
        ),
    ];
    for (more, said) in cases {
        let error = small(more).unwrap_err().to_string();
        assert!(error.contains(said), "{more}: {error}");
    }
    let with = |from: &str, to: &str| {
        let text = GRID.replace(from, to);
        assert_ne!(text, GRID, "{from}");
        plan(&text).unwrap_err().to_string()
    };
    for (from, to, said) in [
        (
            "\"sgqn\"",
            "\"sgqm\"",
            "unknown agent 'sgqm' (did you mean 'sgqn'?)",
        ),
        ("\"sgqn\"", "\"sac\"", "'agents' has \"sac\" twice"),
        (
            "\"sgqn\"",
            "4",
            "'agents' is 4, but must be a list of names",
        ),
        ("[3, 1]", "[3, 1, 3]", "'seeds' has 3 twice"),
        ("[3, 1]", "[]", "'seeds' is empty"),
        ("[3, 1]", "[-1]", "'seeds' is -1"),
        ("[3, 1]", "3", "'seeds' is 3, but must be a list"),
        (
            "seeds = [3, 1]",
            "",
            "there is no 'seeds': write seeds = [1, 2, 3]",
        ),
        ("video-hard", "vidoe-hard", "did you mean 'video-hard'?"),
        ("steps = 40", "steps = 0", "option 'steps' is 0"),
    ] {
        let error = with(from, to);
        assert!(error.contains(said), "{to}: {error}");
    }
    let many: Vec<String> = (0..10_001).map(|n| n.to_string()).collect();
    let error = with("[3, 1]", &format!("[{}]", many.join(",")));
    assert!(error.contains("40004 runs; 10000 are the most"), "{error}");
}

/// What stands in for training: it leaves the files that tell how far a run is.
struct Fake {
    fails: HashSet<String>,
    /// Fails at evaluations alone.
    trains: bool,
    animates: bool,
    calls: Mutex<Vec<(String, Stage)>>,
    /// How many ran at once, now and at most.
    at_once: Mutex<(usize, usize)>,
}

impl Fake {
    fn new(fails: &[&str]) -> Fake {
        Fake {
            fails: fails.iter().map(|name| name.to_string()).collect(),
            trains: false,
            animates: false,
            calls: Mutex::default(),
            at_once: Mutex::default(),
        }
    }

    fn calls(&self) -> Vec<(String, Stage)> {
        self.calls.lock().unwrap().clone()
    }
}

/// As `foveate train` leaves a run, with or without its end.
fn train(folder: &SweepFolder, run: &PlannedRun, to_the_end: bool) {
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

fn open(root: &Path, text: &str) -> Result<(SweepFolder, Plan), SweepError> {
    let plan = plan(text).unwrap();
    let folder = SweepFolder::create(root, &plan, text, "foveate sweep grid.toml")?;
    Ok((folder, plan))
}

fn go(folder: &SweepFolder, plan: &Plan, fake: &Fake, jobs: usize) -> Vec<(usize, Failure)> {
    sweep(folder, plan, fake, &|_| 4, jobs, &mut |_| {}).unwrap()
}

fn temporary() -> (TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("sweep");
    (folder, root)
}

#[test]
fn every_run_is_trained_and_evaluated_and_no_more_at_once_than_asked() {
    let (_keep, root) = temporary();
    let (folder, plan) = open(&root, GRID).unwrap();
    let fake = Fake::new(&[]);
    let mut done = vec![];
    let mut watch = |event: &Event| {
        if let Event::Done { run, .. } = event {
            done.push(*run);
        }
    };
    let failed = sweep(&folder, &plan, &fake, &|_| 8, 3, &mut watch).unwrap();
    assert_eq!(failed, []);
    done.sort();
    assert_eq!(done, (0..8).collect::<Vec<_>>());
    let most = fake.at_once.lock().unwrap().1;
    assert!((2..=3).contains(&most), "{most} at once");
    assert_eq!(fake.calls().len(), 16);
    let State::Done(outcome) = folder.state(&plan, &plan.runs[1]).unwrap() else {
        panic!("not done");
    };
    assert_eq!(outcome.mean("train".parse().unwrap()), Some(3.0));
    assert!(matches!(
        outcome.end,
        End::Done {
            action_repeat: 8,
            ..
        }
    ));

    // Again: nothing is left to do.
    let again = Fake::new(&[]);
    let mut skipped = 0;
    let mut watch = |event: &Event| skipped += usize::from(matches!(event, Event::WasDone { .. }));
    sweep(&folder, &plan, &again, &|_| 8, 3, &mut watch).unwrap();
    assert_eq!((again.calls(), skipped), (vec![], 8));
}

#[test]
fn after_a_kill_each_run_goes_on_from_where_it_was() {
    let (_keep, root) = temporary();
    let (folder, plan) = open(&root, GRID).unwrap();
    let run = |n: usize| &plan.runs[n];
    // Done; trained; in the middle; killed before it had written anything; nothing at all.
    let fake = Fake::new(&[]);
    let evaluation = fake.launch(&folder, &plan, run(0), &evaluate()).unwrap();
    let end = End::Done {
        action_repeat: 4,
        evaluation: serde_json::from_str(&evaluation).unwrap(),
    };
    let outcome = Outcome::new(run(0), end);
    outcome.write(&folder.outcome(run(0))).unwrap();
    train(&folder, run(1), true);
    train(&folder, run(2), false);
    RunDirectory::create(folder.directory(run(3))).unwrap();
    let states: Vec<State> = (0..5)
        .map(|n| folder.state(&plan, run(n)).unwrap())
        .collect();
    let expected = [
        State::Done(outcome),
        State::Trained,
        State::Begun,
        State::New,
        State::New,
    ];
    assert_eq!(states, expected);
    assert_eq!((folder.steps(run(2)), folder.steps(run(4))), (7, 0));
    drop(folder);

    let (folder, plan) = open(&root, GRID).unwrap();
    let fake = Fake::new(&[]);
    assert_eq!(go(&folder, &plan, &fake, 1), []);
    let name = |n: usize| plan.runs[n].name.clone();
    let anew = Stage::Train { resume: false };
    let expected = [
        (name(1), evaluate()),
        (name(2), Stage::Train { resume: true }),
        (name(2), evaluate()),
        (name(3), anew.clone()),
        (name(3), evaluate()),
        (name(4), anew),
    ];
    assert_eq!(fake.calls()[..6], expected);
    // One stage of the second run, both of the six after it.
    assert_eq!(fake.calls().len(), 1 + 2 * 6);
}

#[test]
fn a_run_that_fails_stops_no_other_and_is_tried_again() {
    let (_keep, root) = temporary();
    let (folder, plan) = open(&root, GRID).unwrap();
    let bad = plan.runs[2].name.clone();
    let failed = go(&folder, &plan, &Fake::new(&[&bad]), 2);
    assert_eq!(failed.len(), 1);
    assert_eq!((failed[0].0, failed[0].1.stage.as_str()), (2, "train"));
    for (n, run) in plan.runs.iter().enumerate() {
        let state = folder.state(&plan, run).unwrap();
        match state {
            State::Failed(outcome) => {
                assert_eq!(n, 2);
                let log = &outcome.failure().unwrap().log;
                assert_eq!(log[..], ["error: critic_loss became NaN"]);
            }
            State::Done(_) => assert_ne!(n, 2),
            other => panic!("{other:?}"),
        }
    }
    // Mended: that one and no other.
    let fake = Fake::new(&[]);
    assert_eq!(go(&folder, &plan, &fake, 2), []);
    let expected = [
        (bad.clone(), Stage::Train { resume: false }),
        (bad, evaluate()),
    ];
    assert_eq!(fake.calls(), expected);
}

/// Evaluations that print something else than returns.
struct Odd(&'static str);

impl Launch for Odd {
    fn launch(
        &self,
        folder: &SweepFolder,
        _: &Plan,
        run: &PlannedRun,
        _: &Stage,
    ) -> Result<String, Failure> {
        train(folder, run, true);
        Ok(self.0.into())
    }
}

#[test]
fn a_return_that_is_no_number_is_a_failure() {
    for (printed, said) in [
        ("nothing", "no JSON"),
        ("{}", "look 'train' is no number"),
        (
            r#"{"modes":{"train":{"mean":null}}}"#,
            "look 'train' is no number",
        ),
    ] {
        let (_keep, root) = temporary();
        let (folder, plan) = open(&root, GRID).unwrap();
        let failed = sweep(&folder, &plan, &Odd(printed), &|_| 4, 1, &mut |_| {}).unwrap();
        assert_eq!(failed.len(), 8);
        assert!(failed[0].1.ended.contains(said), "{}", failed[0].1.ended);
    }
}

#[test]
fn a_grid_may_grow_and_not_change() {
    let (_keep, root) = temporary();
    let (folder, plan) = open(&root, GRID).unwrap();
    go(&folder, &plan, &Fake::new(&[]), 2);
    drop(folder);
    let refuse = |from: &str, to: &str, said: &[&str]| {
        let text = GRID.replace(from, to);
        let error = open(&root, &text).unwrap_err();
        assert!(matches!(error, SweepError::OtherGrid { .. }), "{error}");
        let error = error.to_string();
        assert!(said.iter().all(|said| error.contains(said)), "{error}");
    };
    refuse(
        "[3, 1]",
        "[3]",
        &["run 'sac-native-reach-seed-1' is not in this one", "--out"],
    );
    refuse(
        "steps = 40",
        "steps = 50",
        &["had steps=40 where this one has steps=50"],
    );
    assert_eq!(fs::read_to_string(root.join("grid.toml")).unwrap(), GRID);

    // A seed more: its four runs. A look more: all are evaluated in it, none is trained.
    let more = GRID.replace("[3, 1]", "[3, 1, 2]");
    let (folder, plan) = open(&root, &more).unwrap();
    let fake = Fake::new(&[]);
    go(&folder, &plan, &fake, 1);
    assert_eq!(fake.calls().len(), 8);
    assert!(
        fake.calls()
            .iter()
            .all(|(name, _)| name.ends_with("seed-2"))
    );
    drop(folder);
    let more = more.replace("\"train\"", "\"train\", \"color-hard\"");
    let (folder, plan) = open(&root, &more).unwrap();
    let fake = Fake::new(&[]);
    go(&folder, &plan, &fake, 1);
    assert_eq!(fake.calls().len(), 12);
    assert!(fake.calls().iter().all(|(_, stage)| *stage == color_hard()));
    let State::Done(outcome) = folder.state(&plan, &plan.runs[0]).unwrap() else {
        panic!("not done");
    };
    assert_eq!(outcome.mean(Mode::VideoHard), Some(3.0), "as it was");
    assert_eq!(
        folder.commands().unwrap().len(),
        1,
        "one command, given again"
    );
}

fn color_hard() -> Stage {
    Stage::Evaluate {
        looks: vec![Mode::ColorHard],
    }
}

/// What was evaluated stays when an attempt to add to it fails, and is not played again.
#[test]
fn a_failed_evaluation_takes_nothing_away() {
    let (_keep, root) = temporary();
    let (folder, plan) = open(&root, GRID).unwrap();
    go(&folder, &plan, &Fake::new(&[]), 2);
    drop(folder);
    let more = GRID.replace("\"train\"", "\"train\", \"color-hard\"");
    let (folder, plan) = open(&root, &more).unwrap();
    let bad = plan.runs[2].name.clone();
    let failed = go(&folder, &plan, &Fake::new(&[&bad]), 1);
    assert_eq!((failed.len(), failed[0].1.stage.as_str()), (1, "evaluate"));
    let State::Failed(outcome) = folder.state(&plan, &plan.runs[2]).unwrap() else {
        panic!("not failed");
    };
    assert_eq!(outcome.mean(Mode::Train), Some(3.0));
    assert_eq!(outcome.mean(Mode::ColorHard), None);
    let why = outcome.failure().unwrap();
    assert!(why.log[0].contains("NaN"), "{why:?}");

    let fake = Fake::new(&[]);
    assert_eq!(go(&folder, &plan, &fake, 1), []);
    assert_eq!(fake.calls(), [(bad, color_hard())]);
    let State::Done(outcome) = folder.state(&plan, &plan.runs[2]).unwrap() else {
        panic!("not done");
    };
    assert!(outcome.failure().is_none(), "mended");
    let looks = [Mode::Train, Mode::ColorHard, Mode::VideoHard];
    assert_eq!(looks.map(|look| outcome.mean(look)), [Some(3.0); 3]);

    // A run directory that is trained anew is evaluated anew.
    fs::remove_dir_all(folder.directory(&plan.runs[2])).unwrap();
    let all = more.replace("\"color-hard\"", "\"color-hard\", \"color-easy\"");
    drop(folder);
    let (folder, plan) = open(&root, &all).unwrap();
    let fake = Fake::new(&[]);
    go(&folder, &plan, &fake, 1);
    let looks = plan.grid.looks.clone();
    let name = plan.runs[2].name.clone();
    assert!(fake.calls().contains(&(name, Stage::Evaluate { looks })));
}

/// PAD's returns are published as of an agent that adapts itself.
#[test]
fn pad_is_evaluated_while_it_adapts() {
    let (_keep, root) = temporary();
    let text = GRID.replace("\"sgqn\"", "\"pad\"");
    let (folder, plan) = open(&root, &text).unwrap();
    let children = Children {
        program: "foveate".into(),
        common: vec![],
        both: vec![],
        train: vec![],
        animations: false,
    };
    for run in &plan.runs[..2] {
        let given = children.arguments(Path::new("x"), &plan, run, &evaluate());
        let adapts = given.iter().any(|word| word == "--adapt");
        assert_eq!(adapts, run.agent == "pad");
    }
    assert_eq!(go(&folder, &plan, &Fake::new(&[]), 2), []);
    // One that did not adapt is evaluated again.
    let run = &plan.runs[1];
    let file = fs::read_to_string(folder.outcome(run)).unwrap();
    let file = file.replace("\"adapts\": true", "\"adapts\": false");
    fs::write(folder.outcome(run), file).unwrap();
    assert_eq!(folder.state(&plan, run).unwrap(), State::Trained);
}

/// The child of a sweep that was killed has its run for a moment longer.
#[test]
fn a_run_that_an_orphan_still_has_is_waited_for() {
    let (_keep, root) = temporary();
    let (folder, plan) = open(&root, GRID).unwrap();
    let orphan = RunDirectory::create(folder.directory(&plan.runs[0])).unwrap();
    let ends = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(700));
        drop(orphan);
    });
    // Training would meet the lock, as `foveate train` would.
    assert_eq!(go(&folder, &plan, &Fake::new(&[]), 1), []);
    ends.join().unwrap();
}

/// Where nobody says how large frames are, a pretrained encoder does when the run begins.
#[test]
fn a_run_whose_encoder_chose_the_size_of_frames_is_trained() {
    let (_keep, root) = temporary();
    let text = GRID.replace("[set]", "[set]\nencoder = \"multimae:weights\"");
    let text = text.replace("\"sac\", \"sgqn\"", "\"sac\"");
    let (folder, plan) = open(&root, &text).unwrap();
    let run = &plan.runs[0];
    let mut begun = run.clone();
    begun.config.image_size = 224;
    train(&folder, &begun, true);
    assert!(folder.is_trained(run));
    let mut said = run.clone();
    said.set.push("image_size=32".into());
    assert!(!folder.is_trained(&said));
}

/// The first seed of every agent and task, once, also of runs that were done before.
#[test]
fn the_first_seeds_are_filmed() {
    let (_keep, root) = temporary();
    let (folder, plan) = open(&root, GRID).unwrap();
    go(&folder, &plan, &Fake::new(&[]), 2);
    let films = || Fake {
        animates: true,
        ..Fake::new(&[])
    };
    let fake = films();
    go(&folder, &plan, &fake, 1);
    let expected: Vec<_> = (plan.runs[..4].iter())
        .map(|run| (run.name.clone(), Stage::Animate))
        .collect();
    assert_eq!(fake.calls(), expected);
    let again = films();
    go(&folder, &plan, &again, 1);
    assert_eq!(again.calls(), []);
    // One that cannot be filmed is done all the same.
    fs::remove_file(&folder.animations(&plan.runs[0]).unwrap()[0]).unwrap();
    let fake = Fake {
        animates: true,
        ..Fake::new(&[&plan.runs[0].name])
    };
    let mut told = vec![];
    let mut watch = |event: &Event| told.push(event.clone());
    let failed = sweep(&folder, &plan, &fake, &|_| 4, 1, &mut watch).unwrap();
    assert_eq!(failed, []);
    let not_filmed = |e: &Event| matches!(e, Event::NotAnimated { run: 0, .. });
    assert!(told.iter().any(not_filmed), "{told:?}");
    assert!(matches!(
        folder.state(&plan, &plan.runs[0]),
        Ok(State::Done(_))
    ));
}

#[test]
fn folders_that_are_no_sweeps_are_left_alone() {
    let (_keep, root) = temporary();
    assert!(matches!(
        SweepFolder::open(&root),
        Err(SweepError::NotASweep { .. })
    ));
    fs::create_dir(&root).unwrap();
    fs::write(root.join("letter.txt"), "dear").unwrap();
    assert!(matches!(
        open(&root, GRID),
        Err(SweepError::NotEmpty { .. })
    ));
    assert_eq!(fs::read_dir(&root).unwrap().count(), 1);
    let file = root.join("letter.txt");
    assert!(matches!(
        open(&file, GRID),
        Err(SweepError::NotADirectory { .. })
    ));

    fs::remove_file(file).unwrap();
    let (held, _) = open(&root, GRID).unwrap();
    assert!(matches!(
        open(&root, GRID),
        Err(SweepError::Locked { pid: Some(_), .. })
    ));
    drop(held);
    open(&root, GRID).unwrap();
    fs::write(root.join("grid.toml"), "agents = 4").unwrap();
    assert!(matches!(open(&root, GRID), Err(SweepError::Grid { .. })));
}

#[test]
fn a_run_directory_with_other_options_is_not_taken_for_trained() {
    let (_keep, root) = temporary();
    let (folder, plan) = open(&root, GRID).unwrap();
    let run = &plan.runs[0];
    train(&folder, run, true);
    assert!(folder.is_trained(run));
    let mut longer = run.clone();
    longer.config.steps = 80;
    assert!(!folder.is_trained(&longer));
    let mut other = run.clone();
    other.config.batch += 1;
    assert!(!folder.is_trained(&other));
}

#[test]
fn children_are_given_what_the_run_is() {
    let plan = plan(GRID).unwrap();
    let children = Children {
        program: "foveate".into(),
        common: vec!["--with-parent".into()],
        both: vec!["--python".into(), "p".into()],
        train: vec!["--no-tune".into()],
        animations: true,
    };
    let given = |stage: Stage| -> Vec<String> {
        let given = children.arguments(Path::new("x y"), &plan, &plan.runs[1], &stage);
        given
            .iter()
            .map(|a| a.to_string_lossy().into_owned())
            .collect()
    };
    assert_eq!(
        given(Stage::Train { resume: true }).join(" "),
        "--with-parent train --agent=sgqn --env=native/reach --seed=3 --set=preset=tiny \
         --set=steps=40 --resume --no-tune --python p --run x y"
    );
    assert_eq!(
        given(evaluate()).join(" "),
        "--with-parent eval --json --modes=train,video-hard --episodes=2 --python p --run x y"
    );
    assert_eq!(
        given(Stage::Animate).join(" "),
        "--with-parent explain --quiet --python p --run x y"
    );
}

/// A shell in the place of the program.
#[test]
#[cfg(unix)]
fn what_a_child_says_last_is_kept() {
    use std::os::unix::fs::PermissionsExt;
    let (keep, root) = temporary();
    let program = keep.path().join("program");
    let script = "#!/bin/sh\nfor n in 1 2 3 4 5 6 7 8 9; do echo line $n >&2; done\n\
                  printf 'it \\033[31mbroke\\033[0m' >&2; exit 3\n";
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let (folder, plan) = open(&root, GRID).unwrap();
    let mut children = Children {
        program,
        common: vec![],
        both: vec![],
        train: vec![],
        animations: false,
    };
    let run = &plan.runs[0];
    let stage = Stage::Train { resume: false };
    let failure = children.launch(&folder, &plan, run, &stage).unwrap_err();
    assert_eq!(failure.ended, "exit status: 3");
    assert_eq!(failure.log.len(), 8);
    assert_eq!(
        (failure.log[0].as_str(), failure.log[7].as_str()),
        ("line 3", "it [31mbroke[0m")
    );
    let log = fs::read_to_string(folder.log(run)).unwrap();
    assert!(log.starts_with("$ foveate train --agent=sac"), "{log}");

    children.program = "/nonexistent/foveate".into();
    let failure = children.launch(&folder, &plan, run, &stage).unwrap_err();
    assert!(
        failure.ended.contains("could not be run"),
        "{}",
        failure.ended
    );
}
