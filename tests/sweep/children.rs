//! The processes of a sweep: what they are given, and what they say.

use std::fs;
use std::path::Path;

use foveate::sweep::{Children, Launch, Stage, State};

use super::support::{Fake, GRID, evaluate, go, open, plan, temporary};

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

/// Guided backpropagation, which explain begins with, is about convolutions.
#[test]
fn frozen_encoders_are_filmed_by_their_gradient() {
    let text = GRID.replace("[set]", "[set]\nencoder = \"multimae:weights\"");
    let plan = plan(&text.replace("\"sac\", \"sgqn\"", "\"sac\"")).unwrap();
    let children = Children {
        program: "foveate".into(),
        common: vec![],
        both: vec![],
        train: vec![],
        animations: true,
    };
    let given = children.arguments(Path::new("x"), &plan, &plan.runs[0], &Stage::Animate);
    let expected = ["explain", "--quiet", "--method=gradient", "--run", "x"];
    assert_eq!(given, expected);
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
