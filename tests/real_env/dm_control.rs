//! The DeepMind Control suite: what a task is, its looks, and states that continue with
//! the same bits.

use foveate::envs::native::Mode;
use foveate::envs::{
    Transition,
    bridge::{Bridge, BridgeError, BridgeOptions},
};

use super::support::{FRAME, Played, SIZE, open, play, reset_all};

fn cartpole(n: usize, seed: u64) -> BridgeOptions {
    BridgeOptions {
        n,
        seed,
        ..BridgeOptions::new("dm_control/cartpole-swingup")
    }
}

#[test]
fn cartpole_is_what_the_benchmark_says() {
    // Opened by a thread that ends: the worker belongs to the bridge, not to it.
    let opener = std::thread::spawn(|| open(cartpole(1, 1)));
    let Some(mut bridge) = opener.join().unwrap() else {
        return;
    };
    let spec = bridge.spec().clone();
    assert_eq!(spec.id, "dm_control/cartpole-swingup");
    assert_eq!(
        (
            spec.image_size,
            spec.action_dim,
            spec.episode_steps,
            spec.action_repeat
        ),
        (84, 1, 125, 8)
    );
    assert_eq!(bridge.versions()["mujoco"], "3.3.0");

    // Planes of a picture whose upper half is bluish sky: blue above red there.
    let mut frame = vec![0; FRAME];
    bridge.reset(0, &mut frame).unwrap();
    assert_eq!(frame, bridge.frames());
    let plane = |c: usize| -> u64 {
        let sky = &frame[c * SIZE * SIZE..][..10 * SIZE];
        sky.iter().map(|&v| u64::from(v)).sum()
    };
    assert!(plane(2) > plane(0), "blue {} red {}", plane(2), plane(0));

    // A whole episode: truncated at its last step and never terminated; every
    // reward is a sum of eight in [0, 1], and the hanging start earns little.
    let episode = play(&mut bridge, 0, 125);
    for (t, (outcome, _)) in episode.iter().enumerate() {
        assert!((0.0..=8.0).contains(&outcome[0].reward), "{:?}", outcome[0]);
        assert!(!outcome[0].terminated);
        assert_eq!(outcome[0].truncated, t == 124);
    }
    assert!(episode[0].0[0].reward < 0.5);
    assert_ne!(episode[0].1, episode[60].1, "the picture moves");

    // Beyond the end a reset is due; the refusal leaves the bridge usable.
    let mut outcome = [Transition::default()];
    let error = bridge.step(&[0.0], &mut outcome).unwrap_err();
    assert!(error.to_string().contains("without a reset"), "{error}");
    bridge.reset(0, &mut frame).unwrap();
    bridge.step(&[0.0], &mut outcome).unwrap();

    let wrong = bridge.step(&[0.0, 0.0], &mut outcome).unwrap_err();
    assert!(matches!(
        wrong,
        BridgeError::WrongLength {
            given: 2,
            expected: 1,
            ..
        }
    ));
    bridge.close().unwrap();
}

/// SPEC.md F.1: 1,000 control steps, however long actions are held.
#[test]
fn the_benchmarks_tasks_have_its_actions_and_steps() {
    for (task, action_repeat, right) in [
        ("walker-walk", None, (6, 4, 250)),
        ("walker-stand", None, (6, 4, 250)),
        ("ball_in_cup-catch", None, (2, 4, 250)),
        ("cartpole-swingup", None, (1, 8, 125)),
        ("finger-spin", None, (2, 2, 500)),
        // The benchmark's other column has 4 for every task.
        ("cartpole-swingup", Some(4), (1, 4, 250)),
        ("finger-spin", Some(4), (2, 4, 250)),
    ] {
        let Some(mut bridge) = open(BridgeOptions {
            action_repeat,
            ..BridgeOptions::new(format!("dm_control/{task}"))
        }) else {
            return;
        };
        let spec = bridge.spec();
        let found = (spec.action_dim, spec.action_repeat, spec.episode_steps);
        assert_eq!(found, right, "{task}, held {action_repeat:?}");
        reset_all(&mut bridge);
        for plane in bridge.frames().chunks_exact(SIZE * SIZE) {
            assert!(plane.iter().any(|v| *v != plane[0]), "{task} shows nothing");
        }
    }
}

#[test]
fn a_seed_fixes_everything_and_environments_differ() {
    let (Some(mut a), Some(mut b)) = (open(cartpole(2, 5)), open(cartpole(2, 5))) else {
        return;
    };
    reset_all(&mut a);
    reset_all(&mut b);
    assert_eq!(a.save().unwrap(), b.save().unwrap());
    let played = play(&mut a, 0, 10);
    assert_eq!(played, play(&mut b, 0, 10));
    assert_ne!(
        played[9].0[0].reward, played[9].0[1].reward,
        "two starts, two trajectories"
    );

    let Some(mut other) = open(cartpole(2, 6)) else {
        return;
    };
    reset_all(&mut other);
    assert_ne!(played, play(&mut other, 0, 10));
}

/// Tasks that between them exercise what a state has to hold: plain physics, a
/// random state mid-stream, contacts with warm start, and a model that the task
/// rewrites at every reset.
#[test]
fn a_restored_state_continues_with_the_same_bits() {
    for (id, n) in [
        ("dm_control/cartpole-swingup", 2),
        ("dm_control/walker-walk", 1),
        ("dm_control/finger-spin", 1),
        ("dm_control/reacher-easy", 1),
    ] {
        let options = |seed| BridgeOptions {
            n,
            seed,
            ..BridgeOptions::new(id)
        };
        let Some(mut bridge) = open(options(3)) else {
            return;
        };
        reset_all(&mut bridge);
        play(&mut bridge, 0, 12);
        let state = bridge.save().unwrap();
        let seen = bridge.frames().to_vec();
        let future = |bridge: &mut Bridge| {
            let mut future = play(bridge, 12, 12);
            // Resets draw from the restored random state.
            reset_all(bridge);
            future.push((Vec::new(), bridge.frames().to_vec()));
            future.extend(play(bridge, 24, 4));
            future
        };
        let expected = future(&mut bridge);

        bridge.restore(&state).unwrap();
        assert!(bridge.frames() == seen, "{id}: the picture at the save");
        assert!(
            future(&mut bridge) == expected,
            "{id}: in the same process, the model changed meanwhile"
        );

        // In a new process, with another seed.
        let Some(mut fresh) = open(options(99)) else {
            return;
        };
        fresh.restore(&state).unwrap();
        assert!(fresh.frames() == seen, "{id}: the picture in a new process");
        assert!(future(&mut fresh) == expected, "{id}: in a new process");

        // What does not belong here is refused, and nothing is lost by asking.
        for wrong in [&state[..state.len() / 2], b"{}", b"\xff\x00"] {
            let error = fresh.restore(wrong).unwrap_err();
            assert!(matches!(error, BridgeError::State { .. }), "{error}");
        }
        play(&mut fresh, 28, 1);
    }
}

#[test]
fn the_step_limit_survives_a_restore() {
    let options = || BridgeOptions {
        action_repeat: Some(334),
        ..cartpole(1, 1)
    };
    let Some(mut bridge) = open(options()) else {
        return;
    };
    // 1,000 control steps, rounded up to whole agent steps.
    assert_eq!(bridge.spec().episode_steps, 3);
    reset_all(&mut bridge);
    play(&mut bridge, 0, 2);
    let state = bridge.save().unwrap();
    drop(bridge);
    let Some(mut bridge) = open(options()) else {
        return;
    };
    bridge.restore(&state).unwrap();
    let last = play(&mut bridge, 2, 1);
    assert!(last[0].0[0].truncated && !last[0].0[0].terminated);
    // The state of an ended episode says so too.
    let ended = bridge.save().unwrap();
    bridge.restore(&ended).unwrap();
    let mut outcome = [Transition::default()];
    assert!(bridge.step(&[0.0], &mut outcome).is_err());
}

/// SPEC.md F.1: physics is the same in every look; colours change with the episode, sky
/// and floor become green.
#[test]
fn looks_change_pictures_and_nothing_else() {
    let looked = |mode| {
        open(BridgeOptions {
            mode,
            ..BridgeOptions::new("dm_control/walker-walk")
        })
    };
    let mut seen: Vec<(Played, Vec<u8>)> = vec![];
    for mode in Mode::ALL {
        let Some(mut bridge) = looked(mode) else {
            return;
        };
        reset_all(&mut bridge);
        let first = bridge.frames().to_vec();
        let played = play(&mut bridge, 0, 2);
        if matches!(mode, Mode::ColorEasy | Mode::ColorHard) {
            // A state brings the colours of its episode back, and of those after it.
            let state = bridge.save().unwrap();
            reset_all(&mut bridge);
            let next = bridge.frames().to_vec();
            let sky = |frame: &[u8]| [0, 1, 2].map(|c| frame[c * SIZE * SIZE]);
            assert_ne!(sky(&next), sky(&first), "{mode}: other colours");
            let mut fresh = looked(mode).unwrap();
            fresh.restore(&state).unwrap();
            assert!(fresh.frames() == played[1].1, "{mode}");
            reset_all(&mut fresh);
            assert!(fresh.frames() == next, "{mode}");
        }
        seen.push((played, first));
    }
    for (i, (played, first)) in seen.iter().enumerate() {
        let rewards =
            |p: &Played| -> Vec<Transition> { p.iter().flat_map(|(t, _)| t.clone()).collect() };
        assert_eq!(rewards(played), rewards(&seen[0].0));
        for (_, other) in &seen[..i] {
            assert_ne!(first, other, "{}", Mode::ALL[i]);
        }
    }
    // The floor, which fills the lowest rows, is as green in the hard mode alone.
    let green_floor = |i: usize| {
        let plane = |c: usize| &seen[i].1[(c + 1) * SIZE * SIZE - 3 * SIZE..][..3 * SIZE];
        let rgb = plane(0).iter().zip(plane(1)).zip(plane(2));
        rgb.filter(|((r, g), b)| u16::from(**g) > 2 * u16::from(**r.max(b)))
            .count()
    };
    assert_eq!((green_floor(3), green_floor(4)), (0, 3 * SIZE));
    // (.2, .8, .2) of 255, all over the sky.
    let sky = |i: usize, c: usize| seen[i].1[c * SIZE * SIZE..][..3 * SIZE].to_vec();
    for (c, value) in [51, 204, 51].into_iter().enumerate() {
        assert_eq!(
            [sky(3, c), sky(4, c)],
            [vec![value; 3 * SIZE], vec![value; 3 * SIZE]]
        );
    }
}

#[test]
#[ignore = "measures: cargo test --release --test real_env -- --ignored --nocapture rate"]
fn rate() {
    for id in ["cartpole-swingup", "walker-walk"] {
        let options = BridgeOptions::new(format!("dm_control/{id}"));
        let Some(mut bridge) = open(options) else {
            return;
        };
        reset_all(&mut bridge);
        play(&mut bridge, 0, 10);
        let start = std::time::Instant::now();
        play(&mut bridge, 10, 100);
        let rate = 100.0 / start.elapsed().as_secs_f64();
        println!("{id}: {rate:.0} agent steps/s of 84×84 frames");
    }
}

/// What MuJoCo does not limit is driven by the action itself: scaled to its nominal bounds of
/// 10^10 the cost of it was all that could be seen.
#[test]
fn actions_without_limits_are_their_controls() {
    let Some(mut bridge) = open(BridgeOptions::new("dm_control/lqr-lqr_2_1")) else {
        return;
    };
    reset_all(&mut bridge);
    for (outcome, _) in play(&mut bridge, 0, 5) {
        let reward = outcome[0].reward;
        assert!(reward.abs() < 10.0, "{reward}");
    }
}
