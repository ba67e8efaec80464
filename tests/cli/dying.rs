//! Training in an environment whose processes die.
#![cfg(unix)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::support::{Answer, SMALL, checkpoints, foveate, text};

/// A "python" that is the stub worker of tests/bridge with this plan; see there. The
/// first worker of a run is asked what the environment is, the second one is trained in.
pub fn python(folder: &Path, plan: &str) -> PathBuf {
    fs::write(folder.join("plan.json"), plan).unwrap();
    let script = format!(
        "#!/bin/sh\nexec python3 -S '{}/tests/bridge/stub_worker.py' '{}' \"$@\"\n",
        env!("CARGO_MANIFEST_DIR"),
        folder.display()
    );
    fs::write(folder.join("script"), script).unwrap();
    // Copied by another process: a program that this one has open for writing while a
    // second test forks could not be started.
    let status = Command::new("install")
        .args(["-m", "755", "script", "python"])
        .current_dir(folder)
        .status();
    assert!(status.unwrap().success());
    folder.join("python")
}

fn train(folder: &Path, python: &Path, more: &[&str]) -> Answer {
    train_to(20, folder, python, more)
}

fn train_to(steps: u64, folder: &Path, python: &Path, more: &[&str]) -> Answer {
    let steps = format!("--steps={steps}");
    let run = format!("--run={}", folder.join("run").display());
    let python = format!("--python={}", text(python));
    let given = [
        "train",
        "--agent=sac",
        "--env=dm_control/stub-task",
        &steps,
        &run,
        &python,
    ];
    foveate(&[&given, SMALL, more].concat())
}

#[test]
fn a_death_costs_an_episode_and_not_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let plan = r#"[null, {"during": "step", "after": 7, "how": "kill"}]"#;
    let python = python(folder.path(), plan);
    let answer = train(folder.path(), &python, &[]);
    answer.succeeds();
    for said in [
        "warning: the worker died",
        "about to kill",
        "another worker took over; the running episode is lost (death 1 of at most 3 within 1000 steps)",
    ] {
        assert!(answer.err.contains(said), "{}", answer.err);
    }
    // Whole episodes alone have returns: 150 is the score of five steps.
    let metrics = fs::read_to_string(folder.path().join("run/metrics.jsonl")).unwrap();
    let episodes: Vec<&str> = (metrics.lines())
        .filter(|line| line.contains(r#""kind":"episode""#))
        .collect();
    assert_eq!(episodes.len(), 3, "{metrics}");
    for episode in episodes {
        assert!(episode.contains(r#""return":150.0"#), "{episode}");
    }
}

#[test]
fn deaths_again_and_again_stop_it_with_a_checkpoint_to_go_on_from() {
    let folder = tempfile::tempdir().unwrap();
    let fault = r#"{"during": "step", "after": 2, "how": "raise"}"#;
    let plan = format!("[null, {fault}, {fault}, {fault}, {fault}]");
    let python = python(folder.path(), &plan);
    let stopped = train(folder.path(), &python, &[]);
    let run = folder.path().join("run");
    stopped.fails(
        1,
        &[
            "the environment failed at step 11: 4 workers died within 1000 steps",
            "PhysicsError: it blew up",
            "task.py\", line 7",
            &format!("everything is saved in '{}'", run.display()),
            &format!(
                "to go on:\n  foveate train --run {} --resume --python {}",
                run.display(),
                python.display()
            ),
        ],
    );
    let kept = checkpoints(&run);
    assert!(
        text(kept.last().unwrap()).contains("000000000011"),
        "{kept:?}"
    );
    let resumed = train(folder.path(), &python, &["--resume"]);
    resumed.succeeds();
    assert!(run.join("summary.json").exists());
}

/// An evaluation that could not be played is made up for by the run that goes on.
#[test]
fn an_evaluation_whose_environment_dies_is_not_skipped() {
    let folder = tempfile::tempdir().unwrap();
    // What the environment is, the environment of training, those of the evaluation.
    let fault = r#"{"during": "step", "after": 1, "how": "raise"}"#;
    let plan = format!("[null, null, {fault}, {fault}, {fault}, {fault}]");
    let python = python(folder.path(), &plan);
    let often = "--set=eval_freq=10";
    let stopped = train(folder.path(), &python, &[often]);
    stopped.fails(1, &["the environment failed at step 10"]);
    train(folder.path(), &python, &["--resume"]).succeeds();
    let metrics = fs::read_to_string(folder.path().join("run/metrics.jsonl")).unwrap();
    let evaluated: Vec<&str> = (metrics.lines())
        .filter(|line| line.contains(r#""kind":"eval""#))
        .collect();
    // That one, and the one of the end.
    assert_eq!(evaluated.len(), 2, "{metrics}");
    for (line, step) in evaluated.iter().zip(["10", "20"]) {
        let said = format!("\"step\":{step},");
        assert!(line.contains(&said), "{metrics}");
    }
}

#[test]
fn an_evaluation_tells_of_deaths() {
    let folder = tempfile::tempdir().unwrap();
    let plan = r#"[null, {"during": "step", "after": 7, "how": "kill"}]"#;
    let [run, python] = trained_before(folder.path(), plan);
    let answer = foveate(&[
        "eval",
        &run,
        &python,
        "--modes=train",
        "--episodes=2",
        "--json",
    ]);
    assert!(
        answer.succeeds().contains("\"episodes\": 2"),
        "{}",
        answer.out
    );
    assert!(
        answer.err.contains("another worker took over"),
        "{}",
        answer.err
    );
}

/// Workers of evaluations are opened in the middle of training.
#[test]
fn an_evaluation_whose_worker_does_not_open_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    // What the environment is, the environment of training, that of the evaluation.
    let plan = r#"[null, null, {"during": "open", "how": "kill"}]"#;
    let python = python(folder.path(), plan);
    let stopped = train(folder.path(), &python, &["--set=eval_freq=10"]);
    stopped.fails(
        1,
        &["the environment failed at step 10", "everything is saved"],
    );
    let kept = checkpoints(&folder.path().join("run"));
    assert!(text(kept.last().unwrap()).contains("00000010."), "{kept:?}");
    train(folder.path(), &python, &["--resume"]).succeeds();
}

/// The last step may be one that nobody saw.
#[test]
fn a_lost_step_is_saved_too() {
    let folder = tempfile::tempdir().unwrap();
    let plan = r#"[null, {"during": "step", "after": 8, "how": "kill"}]"#;
    let python = python(folder.path(), plan);
    // There is a checkpoint after step 8, and the ninth step is lost.
    train_to(9, folder.path(), &python, &[]).succeeds();
    let kept = checkpoints(&folder.path().join("run"));
    assert!(text(kept.last().unwrap()).contains("00000009."), "{kept:?}");
}

#[test]
fn evaluations_may_become_more_frequent() {
    let folder = tempfile::tempdir().unwrap();
    let python = python(folder.path(), "[]");
    train(folder.path(), &python, &[]).succeeds();
    let more = ["--resume", "--set=eval_freq=10"];
    train_to(40, folder.path(), &python, &more).succeeds();
    let metrics = fs::read_to_string(folder.path().join("run/metrics.jsonl")).unwrap();
    let evaluated = |step: u64| {
        (metrics.lines())
            .filter(|line| line.contains(r#""kind":"eval""#))
            .any(|line| line.contains(&format!("\"step\":{step},")))
    };
    assert!(evaluated(30) && evaluated(40), "{metrics}");
}

/// A run that has trained well, and a "python" whose workers do what `plan` says: what names
/// them on the command line.
fn trained_before(folder: &Path, plan: &str) -> [String; 2] {
    let well = python(folder, "[]");
    train(folder, &well, &[]).succeeds();
    let later = folder.join("later");
    fs::create_dir(&later).unwrap();
    let later = python(&later, plan);
    [
        format!("--run={}", folder.join("run").display()),
        format!("--python={}", text(&later)),
    ]
}

/// The same, with workers that promise episodes of so many steps, and play five.
fn trained_where_episodes_promise(folder: &Path, steps: usize) -> [String; 2] {
    let promise = format!("{{\"promises\": {steps}}}");
    trained_before(folder, &format!("[{}]", vec![promise; 20].join(", ")))
}

/// Nobody named the tenth step that grids show: the last one stands in for it.
#[test]
fn a_grid_of_an_episode_that_ends_early_shows_its_last_moment() {
    let folder = tempfile::tempdir().unwrap();
    let [run, python] = trained_where_episodes_promise(folder.path(), 20);
    let given = ["explain", "--method=gradient", "--show=mask", &run, &python];
    foveate(&given).succeeds();
    let media = folder.path().join("run/media");
    assert!(media.join("grid-step0004.png").is_file());
    foveate(&[&given[..], &["--at=10"]].concat())
        .fails(2, &["no step 10: the episode has 5 steps"]);
}

/// The game that eval plays, with its rewards.
#[test]
fn what_is_explained_is_played_to_be_judged() {
    let folder = tempfile::tempdir().unwrap();
    let [run, python] = trained_where_episodes_promise(folder.path(), 5);
    foveate(&["explain", "--method=gradient", &run, &python]).succeeds();
    let asked = fs::read_to_string(folder.path().join("later/evaluations")).unwrap();
    // Of what the environment is, and the episode.
    assert_eq!(asked, "False\nTrue\n");
}

/// An episode that died with its worker did not end there.
#[test]
fn what_dies_while_it_is_explained_is_lost_and_has_no_last_moment() {
    let folder = tempfile::tempdir().unwrap();
    let plan = r#"[null, {"during": "step", "after": 3, "how": "kill"}]"#;
    let [run, python] = trained_before(folder.path(), plan);
    foveate(&["explain", "--method=gradient", "--show=mask", &run, &python])
        .fails(1, &["died at step 3", "lost with it", "try again"]);
    let media = folder.path().join("run/media");
    assert!(!media.join("grid-step0003.png").exists());
}

/// Everything is trained then, and the last evaluation alone is left to do.
#[test]
fn an_evaluation_of_the_end_that_fails_is_followed_by_the_command_that_makes_up_for_it() {
    let folder = tempfile::tempdir().unwrap();
    // What the environment is, the environment of training, that of the last evaluation.
    let plan = r#"[null, null, {"during": "open", "how": "kill"}]"#;
    let python = python(folder.path(), plan);
    let failed = train(folder.path(), &python, &[]);
    failed.fails(1, &["the worker died", "to go on:", "--resume", "--python"]);
    train(folder.path(), &python, &["--resume"]).succeeds();
    assert!(folder.path().join("run/summary.json").exists());
}
