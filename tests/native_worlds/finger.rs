//! `native/finger`.

use std::f64::consts::PI;

use foveate::envs::native::random::{Purpose, Stream};
use foveate::envs::native::{Finger, FingerState, Task};

/// The finger bent away from the spinner, which turns at `spin`.
fn turning(spin: f64) -> FingerState {
    FingerState {
        position: [1.6, 0.5, 0.3],
        velocity: [0.0, 0.0, spin],
    }
}

#[test]
fn the_spinner_is_slowed_by_friction_until_it_stands() {
    let world = Finger::new(2);
    for spin in [-30.0, 20.0] {
        let mut state = turning(spin);
        let (mut speed, mut energy) = (spin, world.energy(&state));
        for _ in 0..400 {
            world.step(&mut state, &[0.0, 0.0]);
            let now = state.velocity[2];
            assert!(now.abs() <= speed.abs() && now * spin >= -1e-3, "{now}");
            speed = now;
            let left = world.energy(&state);
            assert!(left <= energy + 1e-9, "energy grows: {energy} to {left}");
            energy = left;
        }
        assert!(speed.abs() < 1e-3, "{speed}");
        let rest = state.position[2];
        for _ in 0..50 {
            world.step(&mut state, &[0.0, 0.0]);
        }
        assert!((state.position[2] - rest).abs() < 1e-3, "it creeps");
    }
}

#[test]
fn the_reward_is_one_from_fifteen_radians_a_second_to_the_right() {
    let world = Finger::new(2);
    for (spin, right) in [
        (-30.0, 1.0),
        (-17.0, 1.0),
        (-14.0, 0.0),
        (0.0, 0.0),
        (30.0, 0.0),
    ] {
        assert_eq!(world.step(&mut turning(spin), &[0.0, 0.0]), right, "{spin}");
    }
}

/// The fingertip turns the spinner by pushing it, and not otherwise.
#[test]
fn the_fingertip_pushes_the_spinner() {
    let world = Finger::new(2);
    let below = FingerState {
        position: [-0.7, 0.3, PI / 2.0],
        velocity: [0.0; 3],
    };
    let mut pushed = below;
    for _ in 0..10 {
        world.step(&mut pushed, &[1.0, 0.0]);
    }
    assert!(
        pushed.velocity[2] < -1.0 && pushed.position[2] < 1.3,
        "{pushed:?}"
    );
    let mut away = below;
    for _ in 0..10 {
        world.step(&mut away, &[-1.0, 0.0]);
    }
    assert_eq!(away.position[2], PI / 2.0);
}

#[test]
fn the_joints_keep_near_their_limits() {
    let world = Finger::new(2);
    let mut state = turning(0.0);
    let limit = 110f64.to_radians();
    for step in 0..600 {
        let side = if step / 100 % 2 == 0 { 1.0 } else { -1.0 };
        world.step(&mut state, &[side, -side]);
        for q in &state.position[..2] {
            assert!(q.abs() < limit + 0.2, "{state:?}");
        }
    }
}

#[test]
fn every_angle_begins_anywhere() {
    let world = Finger::new(2);
    let starts: Vec<_> = (0..400)
        .map(|episode| world.start(&mut Stream::new(3, 0, episode, Purpose::Start)))
        .collect();
    for (i, most) in [110f64.to_radians(), 110f64.to_radians(), PI]
        .into_iter()
        .enumerate()
    {
        let angles: Vec<f64> = starts.iter().map(|s| s.position[i] / most).collect();
        assert!(angles.iter().all(|a| a.abs() <= 1.0));
        assert!(angles.iter().any(|&a| a > 0.95) && angles.iter().any(|&a| a < -0.95));
        let squares = angles.iter().map(|a| a * a).sum::<f64>() / 400.0;
        assert!((squares - 1.0 / 3.0).abs() < 0.06, "{i}: {squares}");
    }
}
