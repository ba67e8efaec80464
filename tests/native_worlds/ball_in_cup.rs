//! `native/ball_in_cup`.

use foveate::envs::native::random::{Purpose, Stream};
use foveate::envs::native::{BallInCup, BallInCupState, Task};

fn start(episode: u64) -> BallInCupState {
    BallInCup::new(4).start(&mut Stream::new(3, 0, episode, Purpose::Start))
}

/// Without force energy is lost to the cup's dampers and to contacts, and the ball ends
/// hanging: from the middle, on a string of 0.3 m (which gives a little).
#[test]
fn left_alone_the_ball_comes_to_hang() {
    let world = BallInCup::new(4);
    for episode in 0..6 {
        let mut state = start(episode);
        let mut energy = world.energy(&state);
        let mut sum = 0.0;
        for _ in 0..4000 {
            sum += world.step(&mut state, &[0.0, 0.0]);
            let now = world.energy(&state);
            assert!(now < energy + 1e-3, "energy grows: {energy} to {now}");
            energy = now;
        }
        if sum > 0.0 {
            continue; // It fell into the cup.
        }
        let [cup, ball] = [state.cup(), state.ball()];
        assert!(cup[0].abs() < 5e-3 && ball[0].abs() < 5e-3, "{state:?}");
        let drop = cup[1] - 0.108 - ball[1];
        assert!((0.3..0.31).contains(&drop), "{drop}");
        assert!(state.velocity.iter().all(|v| v.abs() < 0.05), "{state:?}");
        // Both weights hang in the spring of 20 N/m.
        let sag = (0.0654 + 0.0652) * 9.81 / 20.0;
        assert!((cup[1] - (0.6 - sag)).abs() < 2e-3, "{cup:?}");
    }
}

#[test]
fn the_reward_is_one_while_the_ball_is_in_the_cup() {
    let world = BallInCup::new(4);
    let at = |x: f64, z: f64| BallInCupState {
        position: [0.0, 0.0, x, 0.4 + z],
        velocity: [0.0; 4],
    };
    for (x, z, right) in [
        (0.0, -0.05, 1.0),
        (0.0, 0.05, 0.0),
        (0.015, -0.03, 1.0),
        (0.15, -0.05, 0.0),
        (0.0, -0.2, 0.0),
    ] {
        assert_eq!(world.step(&mut at(x, z), &[0.0, 0.0]), right, "{x} {z}");
    }
    // It stays in, also while the cup is pulled about slowly.
    let mut state = at(0.0, -0.05);
    for step in 0..500 {
        let push = (0.05 * f64::from(step)).sin() as f32;
        let reward = world.step(&mut state, &[push, 0.0]);
        assert_eq!(reward, 1.0, "{step}: {state:?}");
    }
}

/// The cup's outline, from rim to rim, about the middle of its opening.
const CUP: [[f64; 2]; 6] = [
    [-0.05, 0.0],
    [-0.05, -0.075],
    [-0.025, -0.1],
    [0.025, -0.1],
    [0.05, -0.075],
    [0.05, 0.0],
];

/// Where the way from `a` to `b` crosses a wall of the cup, and how far its end is from the
/// nearest one.
fn walls(a: [f64; 2], b: [f64; 2]) -> (Option<[f64; 2]>, f64) {
    let sub = |p: [f64; 2], q: [f64; 2]| [p[0] - q[0], p[1] - q[1]];
    let cross = |p: [f64; 2], q: [f64; 2]| p[0] * q[1] - p[1] * q[0];
    let (mut crossed, mut nearest) = (None, f64::INFINITY);
    for ends in CUP.windows(2) {
        let (way, wall) = (sub(b, a), sub(ends[1], ends[0]));
        let turn = cross(way, wall);
        let along_way = cross(sub(ends[0], a), wall) / turn;
        let along_wall = cross(sub(ends[0], a), way) / turn;
        if [along_way, along_wall]
            .iter()
            .all(|t| (0.0..=1.0).contains(t))
        {
            crossed = Some([a[0] + along_way * way[0], a[1] + along_way * way[1]]);
        }
        let to = sub(b, ends[0]);
        let length = wall[0].hypot(wall[1]);
        let along = (to[0] * wall[0] + to[1] * wall[1]) / length.powi(2);
        let foot = along.clamp(0.0, 1.0);
        let off = sub(to, [foot * wall[0], foot * wall[1]]);
        nearest = nearest.min(off[0].hypot(off[1]));
    }
    (crossed, nearest)
}

/// However it is jerked, the string of 0.3 m holds (it gives a little), and the ball goes
/// through no wall of the cup: from one control step to the next it may go round a rim, but
/// crosses nothing deeper than that.
#[test]
fn the_string_and_the_cup_hold() {
    let world = BallInCup::new(4);
    let mut random = Stream::new(1, 0, 0, Purpose::Start);
    let mut touched = 0;
    for episode in 0..30 {
        let mut state = start(episode);
        if episode % 3 == 0 {
            // In the cup.
            state.position = [0.0, 0.0, 0.0, 0.35];
        }
        for _ in 0..300 {
            let action = [(); 2].map(|()| if random.unit() < 0.5 { -1.0 } else { 1.0 });
            for _ in 0..4 {
                let place = |state: &BallInCupState| {
                    let [cup, ball] = [state.cup(), state.ball()];
                    [ball[0] - cup[0], ball[1] - cup[1]]
                };
                let before = place(&state);
                world.step(&mut state, &action);
                let after = place(&state);
                let (crossed, distance) = walls(before, after);
                assert!(
                    crossed.is_none_or(|at| at[1] > -0.03),
                    "{crossed:?}, {before:?} to {after:?}: {state:?}"
                );
                // Radii of 25 and 8 mm.
                touched += usize::from(distance < 0.033);
                let long = after[0].hypot(after[1] + 0.108);
                assert!(long < 0.36, "{long}: {state:?}");
                assert!(state.ball()[1] > -0.02, "{state:?}");
            }
        }
    }
    assert!(touched > 500, "{touched} touches");
}

/// Uniform in a box about the cup, without what touches the cup.
#[test]
fn the_ball_begins_anywhere_near_the_cup() {
    let starts: Vec<_> = (0..400).map(start).collect();
    let extremes = |of: &dyn Fn(&BallInCupState) -> f64| {
        let values: Vec<f64> = starts.iter().map(of).collect();
        let mean = values.iter().sum::<f64>() / 400.0;
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        (low, mean, high)
    };
    let (low, mean, high) = extremes(&|s| s.ball()[0]);
    assert!(low < -0.19 && mean.abs() < 0.02 && high > 0.19);
    assert!(low >= -0.2 && high <= 0.2);
    let (low, mean, high) = extremes(&|s| s.ball()[1]);
    assert!(low < 0.41 && (mean - 0.55).abs() < 0.02 && high > 0.69);
    assert!(low >= 0.4 && high <= 0.7);
    assert!(starts.iter().all(|s| s.velocity == [0.0; 4]));
}
