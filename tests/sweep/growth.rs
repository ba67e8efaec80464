//! What is added to a sweep that is there: seeds, looks, animations.

use std::fs;

use foveate::envs::native::Mode;
use foveate::sweep::{Event, Stage, State, SweepError, sweep};

use super::support::{Fake, GRID, go, open, temporary};

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
