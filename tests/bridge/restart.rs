//! Workers that die in the middle of a run, and those that take over.

use std::time::Duration;

use foveate::envs::Transition;
use foveate::envs::bridge::{Bridge, BridgeError, BridgeOptions, LastingBridge, Restarts};

use crate::fake::runs;
use crate::stub::{Stub, shown};

const LOST: Transition = Transition {
    reward: 0.0,
    terminated: false,
    truncated: true,
};

fn step(bridge: &mut LastingBridge) -> Result<Vec<Transition>, BridgeError> {
    let mut transitions = vec![Transition::default(); bridge.n()];
    let actions = vec![0.5; bridge.n()];
    bridge.step(&actions, &mut transitions)?;
    Ok(transitions)
}

fn lost(bridge: &LastingBridge, index: usize) -> bool {
    bridge.outcome(index).unwrap().lost
}

#[test]
fn an_episode_whose_worker_dies_is_truncated_and_the_run_goes_on() {
    for how in ["exit", "kill", "hang", "rubbish", "raise"] {
        let plan = format!(r#"[{{"during": "step", "after": 2, "how": "{how}"}}]"#);
        let stub = Stub::new(&plan);
        let options = BridgeOptions {
            call_timeout: Duration::from_secs(if how == "hang" { 2 } else { 60 }),
            ..stub.options(1)
        };
        let mut bridge = LastingBridge::new(Bridge::open(options).unwrap());
        bridge.reset(0).unwrap();
        assert_eq!(step(&mut bridge).unwrap()[0].reward, 1.0);
        assert_eq!(step(&mut bridge).unwrap()[0].reward, 2.0);
        let said = bridge.outcome(0).unwrap();
        assert_eq!(
            (said.success, said.score, said.lost),
            (Some(true), 20.0, false)
        );
        assert_eq!(shown(&bridge, 0), 2);

        assert_eq!(step(&mut bridge).unwrap(), [LOST], "{how}");
        assert!(lost(&bridge, 0));
        assert_eq!(shown(&bridge, 0), 2, "the last frame that anybody saw");
        let notices = bridge.take_notices();
        assert_eq!(notices.len(), 1);
        let said = if how == "raise" {
            "it blew up"
        } else {
            "about to"
        };
        assert!(notices[0].contains(said), "{how}: {}", notices[0]);
        assert!(bridge.take_notices().is_empty(), "said once");

        // The second worker: another process, another seed, a whole episode.
        bridge.reset(0).unwrap();
        assert_eq!(shown(&bridge, 0), 50);
        for expected in 1..=5 {
            let [transition] = step(&mut bridge).unwrap()[..] else {
                panic!()
            };
            assert_eq!(transition.reward, expected as f32);
            assert_eq!(transition.truncated, expected == 5);
            assert!(!lost(&bridge, 0));
        }
        let workers = stub.workers();
        assert_eq!(workers.len(), 2);
        assert!(!runs(workers[0]), "{how}: the first one is gone");
        let seeds = stub.seeds();
        assert_eq!(seeds[0], 7);
        assert_ne!(seeds[1], 7, "other episodes than those before");
    }
}

#[test]
fn stray_prints_are_no_death() {
    let stub = Stub::new(r#"[{"during": "step", "how": "prints"}]"#);
    let mut bridge = stub.open(1);
    bridge.reset(0).unwrap();
    for expected in 1..=5 {
        assert_eq!(step(&mut bridge).unwrap()[0].reward, expected as f32);
    }
    assert!(bridge.take_notices().is_empty());
}

/// All episodes of a worker are lost with it, each is told once, and one that has begun
/// anew meanwhile is not.
#[test]
fn all_environments_of_a_group_lose_their_episodes_once() {
    let stub = Stub::new(r#"[{"during": "reset", "after": 3, "how": "exit"}]"#);
    let mut bridge = stub.open(3);
    for index in 0..3 {
        bridge.reset(index).unwrap();
    }
    step(&mut bridge).unwrap();
    // Dies while environment 1 begins; its reset succeeds all the same.
    bridge.reset(1).unwrap();
    assert_eq!([0, 1, 2].map(|i| shown(&bridge, i)), [1, 60, 21]);
    assert_eq!(
        step(&mut bridge).unwrap(),
        [
            LOST,
            Transition {
                reward: 1.0,
                ..Default::default()
            },
            LOST
        ]
    );
    assert_eq!([0, 1, 2].map(|i| lost(&bridge, i)), [true, false, true]);
    assert_eq!([0, 1, 2].map(|i| shown(&bridge, i)), [1, 61, 21]);
    bridge.reset(0).unwrap();
    bridge.reset(2).unwrap();
    assert_eq!(
        step(&mut bridge)
            .unwrap()
            .iter()
            .map(|t| t.reward)
            .collect::<Vec<_>>(),
        [1.0, 2.0, 1.0]
    );
    assert_eq!([0, 1, 2].map(|i| lost(&bridge, i)), [false; 3]);
}

#[test]
fn too_many_deaths_end_it_with_the_last_words_and_a_state_to_go_on_from() {
    let fault = r#"{"during": "step", "after": 1, "how": "exit"}"#;
    let plan = format!("[{fault}, {fault}, {fault}]");
    let stub = Stub::new(&plan);
    let options = BridgeOptions {
        restarts: Restarts {
            most: 2,
            within: 100,
        },
        ..stub.options(1)
    };
    let mut bridge = LastingBridge::new(Bridge::open(options.clone()).unwrap());
    for _ in 0..2 {
        bridge.reset(0).unwrap();
        step(&mut bridge).unwrap();
        assert_eq!(step(&mut bridge).unwrap(), [LOST]);
    }
    bridge.reset(0).unwrap();
    step(&mut bridge).unwrap();
    let error = step(&mut bridge).unwrap_err();
    let BridgeError::RepeatedDeaths {
        deaths: 3,
        within: 100,
        last,
    } = &error
    else {
        panic!("{error:?}");
    };
    assert!(matches!(**last, BridgeError::WorkerDied { .. }));
    let text = error.to_string();
    assert!(
        text.contains("exit status: 3") && text.contains("about to exit"),
        "{text}"
    );
    assert!(!error.is_user_mistake());
    // What is saved now says that the episode is lost.
    let state = bridge.save().unwrap();
    drop(bridge);
    assert!(stub.workers().iter().all(|&pid| !runs(pid)));

    let mut resumed = LastingBridge::new(Bridge::open(options).unwrap());
    resumed.restore(&state).unwrap();
    let used = stub.seeds();
    assert_eq!(step(&mut resumed).unwrap(), [LOST]);
    resumed.reset(0).unwrap();
    assert_eq!(step(&mut resumed).unwrap()[0].reward, 1.0);
    let last = used.last().unwrap();
    assert_eq!(
        used.iter().filter(|&seed| seed == last).count(),
        2,
        "as the third one: {used:?}"
    );
}

#[test]
fn deaths_long_ago_do_not_count() {
    let fault = r#"{"during": "step", "after": 5, "how": "exit"}"#;
    let stub = Stub::new(&format!("[{fault}, {fault}, {fault}, {fault}]"));
    let options = BridgeOptions {
        restarts: Restarts { most: 1, within: 4 },
        ..stub.options(1)
    };
    let mut bridge = LastingBridge::new(Bridge::open(options).unwrap());
    for _ in 0..4 {
        bridge.reset(0).unwrap();
        for _ in 0..5 {
            step(&mut bridge).unwrap();
        }
        bridge.reset(0).unwrap();
        assert_eq!(step(&mut bridge).unwrap(), [LOST]);
    }
    assert_eq!(bridge.take_notices().len(), 4);
}

/// Deaths so far apart that each alone would be mended, and yet no episode ever ends: an
/// evaluation, which plays lost episodes again, would go on for ever.
#[test]
fn deaths_between_which_no_episode_ends_stop_it_however_far_apart() {
    let fault = r#"{"during": "step", "after": 4, "how": "exit"}"#;
    let stub = Stub::new(&format!("[{}]", [fault; 20].join(",")));
    let options = BridgeOptions {
        restarts: Restarts { most: 2, within: 3 },
        ..stub.options(1)
    };
    let mut bridge = LastingBridge::new(Bridge::open(options).unwrap());
    let error = 'played: {
        for _ in 0..10 {
            bridge.reset(0).unwrap();
            for _ in 0..5 {
                match step(&mut bridge) {
                    Ok(_) => {}
                    Err(error) => break 'played error,
                }
            }
        }
        panic!("it went on");
    };
    assert!(
        matches!(&error, BridgeError::NoEpisodeEnds { deaths: 3, .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("about to exit"), "{error}");
    assert_eq!(bridge.take_notices().len(), 2);
    // As after other deaths that are not mended: a state says what is lost.
    bridge.save().unwrap();
}

#[test]
fn a_worker_that_cannot_be_replaced_counts_as_another_death() {
    let mut plan = vec![r#"{"during": "step", "how": "exit"}"#];
    plan.extend([r#"{"during": "open", "how": "exit"}"#; 9]);
    let stub = Stub::new(&format!("[{}]", plan.join(",")));
    let mut bridge = stub.open(1);
    bridge.reset(0).unwrap();
    let error = step(&mut bridge).unwrap_err();
    assert!(
        matches!(&error, BridgeError::RepeatedDeaths { deaths: 4, last, .. }
        if matches!(**last, BridgeError::WorkerDied { during: "open", .. })),
        "{error:?}"
    );
    assert_eq!(stub.workers().len(), 4, "the default: 3 are replaced");
}

#[test]
fn states_pass_through_and_remember_what_is_lost() {
    let stub = Stub::new(r#"[null, {"during": "save", "how": "kill"}]"#);
    let mut bridge = stub.open(2);
    bridge.reset(0).unwrap();
    bridge.reset(1).unwrap();
    step(&mut bridge).unwrap();
    let state = bridge.save().unwrap();
    assert!(
        state.starts_with(b"{"),
        "a worker's own state where nothing was lost"
    );
    drop(bridge);

    let mut bridge = stub.open(2);
    bridge.restore(&state).unwrap();
    assert_eq!(step(&mut bridge).unwrap()[0].reward, 2.0);
    // This worker dies while it saves: what is saved is that both episodes are lost.
    let state = bridge.save().unwrap();
    assert_eq!(bridge.take_notices().len(), 1);
    drop(bridge);
    let mut bridge = stub.open(2);
    bridge.restore(&state).unwrap();
    assert_eq!(step(&mut bridge).unwrap(), [LOST, LOST]);

    for cut in [&state[..4], &state[..13]] {
        let error = bridge.restore(cut).unwrap_err();
        assert!(matches!(error, BridgeError::State { .. }), "{error:?}");
    }
}

#[test]
fn a_mistake_of_the_caller_is_not_mended() {
    let stub = Stub::new("[]");
    let mut bridge = stub.open(2);
    bridge.reset(0).unwrap();
    let error = step(&mut bridge).unwrap_err();
    assert!(
        matches!(error, BridgeError::Misuse { during: "step", .. }),
        "{error:?}"
    );
    let error = bridge
        .step(&[0.0], &mut [Transition::default(); 2])
        .unwrap_err();
    assert!(
        matches!(error, BridgeError::WrongLength { .. }),
        "{error:?}"
    );
    let error = bridge.reset(2).unwrap_err();
    assert!(
        matches!(error, BridgeError::NoSuchIndex { .. }),
        "{error:?}"
    );
    assert_eq!(stub.workers().len(), 1);
}
