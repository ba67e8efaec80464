//! What holds of every suite: states that continue with the same bits, and refusals that say
//! why.

use foveate::envs::bridge::{Bridge, BridgeError, BridgeOptions};

use super::support::{open, play, reset_all};
use crate::skip::skipped_suite;

#[test]
fn unknown_tasks_name_the_nearest() {
    for (given, nearest) in [
        (
            "dm_control/cartpole-swingupp",
            "dm_control/cartpole-swingup",
        ),
        ("dm_control/walker_walk", "dm_control/walker-walk"),
        ("dm_contol/cartpole-swingup", "dm_control/cartpole-swingup"),
    ] {
        match Bridge::open(BridgeOptions::new(given)) {
            Err(BridgeError::PythonNotFound { .. } | BridgeError::ModuleMissing { .. }) => {
                skipped_suite("no Python environment for real suites");
                return;
            }
            Err(e @ BridgeError::UnknownEnvironment { .. }) => {
                assert!(e.is_user_mistake());
                let text = e.to_string();
                assert!(
                    text.contains(&format!("did you mean '{nearest}'")),
                    "{text}"
                );
                assert!(text.contains(&format!("'{given}'")), "{text}");
            }
            other => panic!("{other:?}"),
        }
    }
}

/// A state of every other suite, with two environments, in the same process and in a new
/// one with another seed.
#[test]
fn other_suites_continue_with_the_same_bits_too() {
    for id in [
        "ale/MsPacman",
        "ale/Breakout",
        "metaworld/reach-v3",
        "gym/Hopper-v5",
        "gym/CartPole-v1",
    ] {
        let options = |seed| BridgeOptions {
            n: 2,
            image_size: 64,
            seed,
            ..BridgeOptions::new(id)
        };
        let Some(mut bridge) = open(options(3)) else {
            continue;
        };
        reset_all(&mut bridge);
        let firsts = bridge.frames().to_vec();
        let (a, b) = firsts.split_at(firsts.len() / 2);
        assert!(id.starts_with("ale/") || a != b, "{id}: two seeds");
        play(&mut bridge, 0, 3);
        let state = bridge.save().unwrap();
        let expected = play(&mut bridge, 3, 3);
        bridge.restore(&state).unwrap();
        assert_eq!(bridge.broken_off(), [false, false], "{id}");
        assert!(
            play(&mut bridge, 3, 3) == expected,
            "{id}: in the same process"
        );
        reset_all(&mut bridge);
        let next = bridge.frames().to_vec();

        let Some(mut fresh) = open(options(99)) else {
            continue;
        };
        fresh.restore(&state).unwrap();
        assert!(play(&mut fresh, 3, 3) == expected, "{id}: in a new process");
        reset_all(&mut fresh);
        assert!(fresh.frames() == next, "{id}: and the episode after it");
    }
}

#[test]
fn what_foveate_cannot_use_is_refused_with_the_reason() {
    for (id, says) in [
        ("ale/Pongg", "did you mean 'ale/Pong'"),
        ("gym/CartPoll-v1", "did you mean 'gym/CartPole-v1'"),
        ("metaworld/reach-v2", "did you mean 'metaworld/reach-v3'"),
        ("gym/Blackjack-v1", "'gym/Blackjack-v1'"),
    ] {
        match Bridge::open(BridgeOptions::new(id)) {
            Err(BridgeError::PythonNotFound { .. } | BridgeError::ModuleMissing { .. }) => {
                skipped_suite(&format!("no Python environment for {id}"));
                return;
            }
            Err(error) => assert!(error.to_string().contains(says), "{error}"),
            // Blackjack shows a picture and has a choice: nothing is wrong with it.
            Ok(bridge) => assert_eq!(bridge.spec().discrete_actions, Some(2)),
        }
    }
}
