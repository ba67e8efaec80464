//! Going on with a run: from an interruption, to more steps, or not at all.

use std::fs;
use std::path::Path;

use foveate::media::Rgb8;
use serde_json::Value;

use super::support::{
    Answer, LATE, all_files, be_late, checkpoints, copy_of_trained, foveate, json, text, train,
    trained,
};

/// Nothing but progress of training may be missing or there: it is not `--quiet`.
fn resume(run: &Path, more: &[&str]) -> Answer {
    foveate(&[&["train", "--resume", "--run", text(run)], more].concat())
}

fn rows(run: &Path) -> Vec<Value> {
    let metrics = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    metrics.lines().map(json).collect()
}

/// (step, return) of every evaluation.
fn evaluations(run: &Path) -> Vec<(u64, f64)> {
    (rows(run).iter())
        .filter(|row| row["kind"] == "eval")
        .map(|row| {
            (
                row["step"].as_u64().unwrap(),
                row["train"].as_f64().unwrap(),
            )
        })
        .collect()
}

/// They are looked at when a run begins, and seen by evaluations in other looks: training
/// goes on without them.
#[test]
fn training_does_not_load_backgrounds() {
    let folder = tempfile::tempdir().unwrap();
    let (run, pictures) = (folder.path().join("run"), folder.path().join("pictures"));
    fs::create_dir(&pictures).unwrap();
    for name in ["a.png", "b.png"] {
        let picture = Rgb8::filled(4, 4, [90; 3]).unwrap();
        picture.save_png(&pictures.join(name)).unwrap();
    }
    let option = format!("--backgrounds={}", text(&pictures));
    train(&run, &["--steps=12", &option]).succeeds();
    fs::remove_dir_all(&pictures).unwrap();
    resume(&run, &["--steps=16", "--quiet"]).succeeds();
    let evaluate = ["eval", "--run", text(&run), "--episodes=1"];
    foveate(&[&evaluate[..], &["--modes=video-easy"]].concat()).fails(2, &["pictures"]);
}

/// What is lost is not lost in silence.
#[test]
fn a_run_without_its_checkpoints_says_that_it_begins_again() {
    let (_folder, run) = copy_of_trained();
    let said = "there is no checkpoint in ";
    let on = resume(&run, &["--steps=22"]);
    on.succeeds();
    assert!(!on.err.contains(said), "{}", on.err);
    for file in checkpoints(&run) {
        fs::remove_file(file).unwrap();
    }
    let again = resume(&run, &["--steps=22"]);
    again.succeeds();
    assert!(again.err.contains(said), "{}", again.err);
}

#[test]
fn fewer_steps_than_are_done_change_nothing() {
    let (_folder, run) = copy_of_trained();
    let before = all_files(&run);
    for steps in ["--steps=10", "--set=steps=19"] {
        let given = steps.rsplit('=').next().unwrap();
        resume(&run, &[steps]).fails(
            2,
            &[
                "is at step 20 already",
                &format!("steps={given} ends before that"),
                "--steps",
            ],
        );
        assert!(all_files(&run) == before, "{steps} changed something");
    }
}

#[test]
fn a_finished_run_is_left_alone_and_goes_on_to_more_steps() {
    let (_folder, run) = copy_of_trained();
    let before = all_files(&run);
    let answer = resume(&run, &["--set=eval_freq=7"]);
    for said in ["is finished at step 20", "--resume --steps N", "above 20"] {
        assert!(answer.succeeds().contains(said), "{}", answer.out);
    }
    assert!(!answer.err.contains("training"), "{}", answer.err);
    // The commands that it names are to work as they stand.
    let answer = resume(&run, &["--python=/my/python"]);
    for said in [
        "--resume --python /my/python --steps N",
        "eval --run",
        "explain --run",
    ] {
        assert!(answer.succeeds().contains(said), "{}", answer.out);
    }
    assert_eq!(answer.out.matches("--python /my/python").count(), 3);
    assert!(all_files(&run) == before, "something changed");

    // Much later, as it were: what comes then comes after it.
    be_late(&run);
    resume(&run, &["--steps=24", "--quiet"]).succeeds();
    let rows = rows(&run);
    let seconds: Vec<f64> = (rows.iter())
        .map(|row| row["seconds"].as_f64().unwrap())
        .collect();
    assert!(seconds.is_sorted(), "{seconds:?}");
    assert!(seconds[seconds.len() - 1] > LATE, "{seconds:?}");
    let summary = json(&fs::read_to_string(run.join("summary.json")).unwrap());
    assert_eq!(summary["steps"], 24);
    assert!(summary["train_seconds"].as_f64().unwrap() > LATE);
    assert_eq!(evaluations(&run).len(), 1, "that of step 24 alone");
}

/// In the metrics, for TensorBoard and in the curve like those before it; once, however
/// often a run comes to its end.
#[test]
fn the_last_evaluation_is_among_the_others() {
    let (_folder, run) = copy_of_trained();
    let summary = json(&fs::read_to_string(run.join("summary.json")).unwrap());
    let right = |run: &Path| {
        let [(step, value)] = evaluations(run)[..] else {
            panic!("{:?}", evaluations(run));
        };
        assert_eq!(step, 20);
        assert!((value - summary["train"].as_f64().unwrap()).abs() < 1e-3);
        let events = fs::read_dir(run.join("tensorboard")).unwrap().flatten();
        let bytes: Vec<u8> = events.flat_map(|e| fs::read(e.path()).unwrap()).collect();
        let name = b"eval/train";
        let found = bytes.windows(name.len()).filter(|w| w == name).count();
        assert_eq!(found, 1);
    };
    right(&run);
    // Killed while it was being evaluated.
    fs::remove_file(run.join("summary.json")).unwrap();
    resume(&run, &["--quiet"]).succeeds();
    right(&run);
    assert_eq!(checkpoints(&run).len(), checkpoints(trained()).len());
    // The same, of a run that was at an end before and went on from there.
    let earlier = serde_json::json!({ "steps": 12, "train": 0.0 }).to_string();
    fs::write(run.join("summary.json"), earlier).unwrap();
    let answer = resume(&run, &["--quiet"]);
    answer.succeeds();
    assert!(
        !answer.out.contains("nothing was changed"),
        "{}",
        answer.out
    );
    let now = json(&fs::read_to_string(run.join("summary.json")).unwrap());
    assert_eq!(
        (&now["steps"], &now["train"]),
        (&summary["steps"], &summary["train"])
    );
}

#[test]
fn a_run_that_never_learns_is_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    let [never, one] = ["never", "one"].map(|name| folder.path().join(name));
    let answer = train(&never, &["--steps=8"]);
    answer.succeeds();
    for said in [
        "warning: nothing will be learned",
        "8 agent steps",
        "first 8 (init_steps)",
        "--steps above 8",
        "--set init_steps=N",
    ] {
        assert!(answer.err.contains(said), "no '{said}' in: {}", answer.err);
    }
    // Counted in frames, of which every agent step takes some.
    let frames = folder.path().join("frames");
    let given = ["--steps=16", "--set=budget=frames", "--set=action_repeat=2"];
    let answer = train(&frames, &given);
    assert!(answer.err.contains("--steps above 16"), "{}", answer.err);
    let answer = train(&one, &["--steps=9"]);
    answer.succeeds();
    assert!(!answer.err.contains("warning"), "{}", answer.err);
}

/// Until the first step, nothing is said to be trained.
#[test]
fn an_environment_that_is_not_there_is_said_first() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let given = |env: &'static str, agent: &'static str| {
        let python = "--python=/nonexistent/python";
        foveate(&["train", agent, env, python, "--run", text(&run)])
    };
    let answer = given("--env=dm_control/cartpole-swingup", "--agent=sac");
    answer.fails(2, &["/nonexistent/python"]);
    assert!(!answer.err.contains("training"), "{}", answer.err);
    // Known without Python.
    let answer = given("--env=ale/Pong", "--agent=sgqn");
    answer.fails(
        2,
        &[
            "sgqn needs continuous actions, but 'ale/Pong' has discrete ones",
            "--agent dqn or sgqn-dqn",
        ],
    );
    assert!(!answer.err.contains("python"), "{}", answer.err);
    given("--env=ale/Pong", "--agent=dqn").fails(2, &["/nonexistent/python"]);
    assert!(!run.exists());
}

/// What it may have been given is not kept before it is known to be right.
#[test]
fn a_run_that_cannot_go_on_keeps_its_options() {
    let (_folder, run) = copy_of_trained();
    let file = run.join("config.toml");
    let config = fs::read_to_string(&file).unwrap();
    let other = config.replace("hidden_dim = 16", "hidden_dim = 24");
    assert_ne!(config, other);
    fs::write(&file, &other).unwrap();
    let more = ["--steps=24", "--set=log_freq=3", "--quiet"];
    resume(&run, &more).fails(2, &["another architecture"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), other);
    fs::write(&file, &config).unwrap();
    resume(&run, &more).succeeds();
    let kept = fs::read_to_string(&file).unwrap();
    for option in ["steps = 24", "log_freq = 3"] {
        assert!(kept.contains(option), "no '{option}' in: {kept}");
    }
}
