//! Which stages run, in what order, after a kill and after a failure.

use foveate::run::RunDirectory;
use foveate::sweep::outcome::End;
use foveate::sweep::{
    Event, Failure, Launch, Outcome, Plan, PlannedRun, Stage, State, SweepFolder, sweep,
};

use super::support::{Fake, GRID, evaluate, go, open, temporary, train};

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
