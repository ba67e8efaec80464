//! Equations of motion and rewards.

use std::f64::consts::PI;

use foveate::envs::native::tolerance::{Falloff, tolerance};
use foveate::envs::native::{Cartpole, CartpoleState, Reach, ReachState, Task};

#[test]
fn the_tolerance_has_the_values_of_the_specification() {
    for (x, falloff, right) in [
        (0.2, Falloff::Gaussian, 1.0),
        (-0.5, Falloff::Gaussian, 1.0),
        (2.5, Falloff::Gaussian, 0.1),
        (-1.5, Falloff::Gaussian, 0.1f64.powf(0.25)),
        (1.5, Falloff::Quadratic, 0.75),
        (2.5, Falloff::Quadratic, 0.0),
        (9.0, Falloff::Quadratic, 0.0),
        (1.5, Falloff::Linear, 0.75),
        (-2.5, Falloff::Linear, 0.5),
        (9.0, Falloff::Linear, 0.0),
        (2.5, Falloff::LongTail, 0.1),
        (-4.5, Falloff::LongTail, 1.0 / 37.0),
    ] {
        let value = tolerance(x, 0.5, 2.0, falloff);
        assert!((value - right).abs() < 1e-12, "{x} {falloff:?}: {value}");
    }
}

#[test]
fn the_ball_follows_the_action_and_stays_on_the_table() {
    let reach = Reach::new(2);
    let mut state = ReachState {
        position: [0.0, 0.5],
        velocity: [0.0; 2],
        target: [0.0, 0.5],
    };
    assert_eq!(reach.step(&mut state, &[0.0, 0.0]), 1.0);
    let mut last = 1.0;
    for _ in 0..40 {
        let reward = reach.step(&mut state, &[1.0, 0.0]);
        assert!(reward <= last, "away from the disc the reward falls");
        last = reward;
    }
    assert_eq!(state.position, [1.0, 0.5]);
    assert_eq!(state.velocity[0], 0.0);
    reach.step(&mut state, &[-1.0, 0.0]);
    assert!(state.position[0] < 1.0, "it is not stuck at the edge");
}

/// Without force and (nearly) without friction energy is kept; Runge-Kutta of a
/// wrong order, a wrong mass matrix or a wrong sign loses or makes some.
#[test]
fn the_cartpole_keeps_its_energy() {
    let cartpole = Cartpole::new(8);
    let mut state = CartpoleState {
        position: 0.3,
        velocity: -0.2,
        angle: 0.9,
        spin: 1.5,
    };
    let before = state.energy();
    let mut lowest = state.angle;
    for _ in 0..300 {
        cartpole.step(&mut state, &[0.0]);
        assert!(state.position.abs() < 1.8);
        lowest = lowest.max(state.angle);
    }
    assert!(lowest > PI, "the pole swung through the bottom");
    assert!(
        (state.energy() - before).abs() < 5e-3 * before.abs().max(0.1),
        "{before} {}",
        state.energy()
    );
}

/// Small swings about the bottom have the period of a compound pendulum whose
/// pivot is free to slide: ω² = m g l (M + m) / ((M + m) J − m² l²).
#[test]
fn the_pole_swings_at_its_natural_frequency() {
    let cartpole = Cartpole::new(1);
    let (total, moment) = (1.1, 0.1 * 0.5);
    // A capsule of radius 0.045 about its end, by numerical integration.
    let (r, h, n) = (0.045f64, 0.5, 400_000);
    let (mut volume, mut inertia) = (0.0, 0.0);
    for i in 0..n {
        let z = -(h + r) + 2.0 * (h + r) * (f64::from(i) + 0.5) / f64::from(n);
        let beyond = (z.abs() - h).max(0.0);
        let square = r * r - beyond * beyond;
        volume += square;
        inertia += square * (z * z + square / 4.0);
    }
    let hinge = 0.1 * (inertia / volume + h * h);
    let omega = (moment * 9.81 * total / (total * hinge - moment * moment)).sqrt();
    let mut state = CartpoleState {
        position: 0.0,
        velocity: 0.0,
        angle: PI + 0.01,
        spin: 0.0,
    };
    let (mut crossings, mut first, mut last) = (0, 0.0, 0.0);
    for step in 1..=1000 {
        let before = state.angle - PI;
        cartpole.step(&mut state, &[0.0]);
        let after = state.angle - PI;
        if before < 0.0 && after >= 0.0 {
            last = 0.01 * (f64::from(step) - after / (after - before));
            if crossings == 0 {
                first = last;
            }
            crossings += 1;
        }
    }
    let measured = 2.0 * PI * f64::from(crossings - 1) / (last - first);
    assert!((measured / omega - 1.0).abs() < 2e-5, "{measured} {omega}");
}

#[test]
fn the_rail_stops_the_cart_and_jerks_the_pole() {
    let cartpole = Cartpole::new(1);
    let mut state = CartpoleState {
        position: 1.79,
        velocity: 3.0,
        angle: PI,
        spin: 0.0,
    };
    let energy = state.energy();
    cartpole.step(&mut state, &[0.0]);
    assert_eq!((state.position, state.velocity), (1.8, 0.0));
    assert!(state.spin < -1.0, "the pole goes on: {}", state.spin);
    assert!(state.energy() < energy, "a dead stop makes no energy");
    cartpole.step(&mut state, &[-1.0]);
    assert!(state.position < 1.8, "it is not stuck at the stop");
}

#[test]
fn the_cartpole_reward_is_that_of_the_specification() {
    let cartpole = Cartpole::new(1);
    let mut balanced = CartpoleState {
        position: 0.0,
        velocity: 0.0,
        angle: 0.0,
        spin: 0.0,
    };
    assert_eq!(cartpole.step(&mut balanced, &[0.0]), 1.0);
    let mut pushed = balanced;
    let reward = cartpole.step(&mut pushed, &[1.0]);
    let upright = (pushed.angle.cos() + 1.0) / 2.0;
    let steady = (1.0 + 0.1f64.powf((pushed.spin / 5.0).powi(2))) / 2.0;
    let centred = (1.0 + 0.1f64.powf((pushed.position / 2.0).powi(2))) / 2.0;
    assert!((reward - upright * 0.8 * steady * centred).abs() < 1e-12);
}
