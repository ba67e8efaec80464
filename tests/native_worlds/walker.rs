//! `native/walker-stand` and `native/walker-walk`.

use std::f64::consts::PI;

use foveate::envs::native::random::{Purpose, Stream};
use foveate::envs::native::{Stand, Task, Walk, Walker, WalkerState};

fn start(episode: u64) -> WalkerState {
    Walker::<Stand>::new(4).start(&mut Stream::new(3, 0, episode, Purpose::Start))
}

/// On straight legs, with the feet just above the floor.
const STRAIGHT: WalkerState = WalkerState {
    position: [0.0; 9],
    velocity: [0.0; 9],
};

/// Joules by which contacts, which are soft, may raise the energy above its lowest so far.
const GIVEN_BACK: f64 = 2.0;

/// Without torques it falls and comes to lie on the floor, in it by little.
#[test]
fn left_alone_it_comes_to_lie() {
    let world = Walker::<Stand>::new(4);
    for episode in 0..6 {
        let mut state = start(episode);
        // High enough not to begin in the floor.
        state.position[0] = 0.4;
        let mut lowest = world.energy(&state);
        let (mut energy, mut most) = (lowest, 0.0f64);
        for _ in 0..600 {
            world.step(&mut state, &[0.0; 6]);
            energy = world.energy(&state);
            most = most.max(energy - lowest);
            lowest = lowest.min(energy);
        }
        println!("episode {episode}: {most} J above the lowest, {energy} J in the end");
        assert!(most < GIVEN_BACK, "energy grows by {most}");
        assert!(state.height() < 0.9 && state.height() > 0.0, "{state:?}");
        let slow = state.velocity.iter().all(|v| v.abs() < 0.3);
        assert!(slow && energy > 0.0, "{energy} {state:?}");
    }
}

/// The centre of mass falls as a stone does, whatever the joints do in the air.
#[test]
fn nothing_but_gravity_moves_it_in_the_air() {
    let world = Walker::<Walk>::new(4);
    let mut state = start(1);
    state.position[0] = 20.0;
    let mut random = Stream::new(1, 0, 0, Purpose::Start);
    for _ in 0..40 {
        let action = [(); 6].map(|()| random.uniform(-1.0, 1.0) as f32);
        world.step(&mut state, &action);
        assert!(world.speed(&state).abs() < 0.1, "{}", world.speed(&state));
    }
    // A second later, at the height that is left.
    assert!(
        (state.height() - (21.3 - 4.9)).abs() < 0.5,
        "{}",
        state.height()
    );
}

#[test]
fn the_rewards_are_those_of_the_specification() {
    let (stand, walk) = (Walker::<Stand>::new(4), Walker::<Walk>::new(4));
    let moved = |speed: f64, lean: f64, height: f64| {
        let mut state = STRAIGHT;
        state.velocity[1] = speed;
        state.position[2] = lean;
        state.position[0] = height - 1.3;
        state
    };
    for (speed, lean, height) in [
        (0.0, 0.0, 1.3),
        (0.2, 0.0, 1.6),
        (0.7, 0.4, 1.5),
        (2.0, -1.0, 3.0),
        (-1.0, PI, 2.0),
        (0.0, 0.3, 0.6),
    ] {
        let mut after = moved(speed, lean, height);
        let reward = stand.step(&mut after, &[0.0; 6]);
        let low = (1.2 - after.height()).max(0.0) / 0.6;
        let upright = 0.5 * (1.0 + after.position[2].cos());
        let right = 0.25 * (3.0 * 0.1f64.powf(low * low) + upright);
        assert!((reward - right).abs() < 1e-12, "{reward} {right}");
        let mut walked = moved(speed, lean, height);
        let reward = walk.step(&mut walked, &[0.0; 6]);
        let slow = (1.0 - walk.speed(&walked)).max(0.0);
        let right = right * (5.0 * (1.0 - slow).max(0.0) + 1.0) / 6.0;
        assert!((reward - right).abs() < 1e-12, "{reward} {right}");
    }
    // Straight legs carry it for a moment.
    let [mut first, mut second] = [STRAIGHT; 2];
    assert!(stand.step(&mut first, &[0.0; 6]) > 0.99);
    assert!(walk.step(&mut second, &[0.0; 6]) < 0.2);
}

/// Wherever it walks, it walks the same.
#[test]
fn the_world_is_the_same_everywhere() {
    let world = Walker::<Walk>::new(4);
    let (mut here, mut there) = (start(2), start(2));
    there.position[1] = 64.0;
    let mut random = Stream::new(1, 0, 0, Purpose::Start);
    for _ in 0..40 {
        let action = [(); 6].map(|()| random.uniform(-1.0, 1.0) as f32);
        let rewards = [&mut here, &mut there].map(|state| world.step(state, &action));
        assert!((rewards[0] - rewards[1]).abs() < 1e-3, "{rewards:?}");
    }
    let way = there.position[1] - here.position[1];
    assert!((way - 64.0).abs() < 1e-2, "{way}");
}

#[test]
fn every_joint_begins_anywhere_in_its_range() {
    let starts: Vec<_> = (0..400).map(start).collect();
    let ranges = [
        (-180.0, 180.0),
        (-20.0, 100.0),
        (-150.0, 0.0),
        (-45.0, 45.0),
    ];
    for joint in 2..9 {
        let range = ranges[if joint == 2 { 0 } else { 1 + (joint - 3) % 3 }];
        let (low, high): (f64, f64) = range;
        let angles = starts.iter().map(|s| s.position[joint].to_degrees());
        assert!(angles.clone().all(|a| (low..=high).contains(&a)));
        let mean = angles.sum::<f64>() / 400.0;
        assert!(
            (mean - 0.5 * (low + high)).abs() < 0.06 * (high - low),
            "{joint}: {mean}"
        );
    }
    assert!(
        starts
            .iter()
            .all(|s| s.velocity == [0.0; 9] && s.height() == 1.3)
    );
}
