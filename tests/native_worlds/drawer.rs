//! `native/drawer`.

use foveate::envs::native::random::{Purpose, Stream};
use foveate::envs::native::{Drawer, DrawerState, Task};

fn start(episode: u64) -> DrawerState {
    Drawer::new(4).start(&mut Stream::new(3, 0, episode, Purpose::Start))
}

#[test]
fn a_drawer_that_slides_is_stopped_by_friction_and_its_ends() {
    let world = Drawer::new(4);
    for push in [0.5, 3.0, -2.0] {
        let mut state = start(1);
        state.position[2] = 0.05;
        state.velocity[2] = push;
        let energy = world.energy(&state);
        for _ in 0..200 {
            world.step(&mut state, &[0.0, 0.0]);
            let now = world.energy(&state);
            // The ends give, and push back what they took.
            assert!(now <= energy + 1e-9, "energy grows: {energy} to {now}");
            assert!((-0.03..0.23).contains(&state.position[2]), "{state:?}");
        }
        assert!(state.velocity[2].abs() < 1e-3);
        assert!((-0.005..0.205).contains(&state.position[2]), "{state:?}");
    }
}

/// 1 where the drawer is open and the fingertip hooks; little where neither is.
#[test]
fn the_reward_is_the_mean_of_both_ways() {
    let world = Drawer::new(4);
    let mut best = 0.0f64;
    let mut state = start(2);
    let mut action = [0.0; 2];
    let mut begun = state;
    let first = world.step(&mut begun, &action);
    assert!((0.05..0.5).contains(&first), "{first}");
    for _ in 0..125 {
        world.expert(&state, &mut action);
        for _ in 0..4 {
            best = best.max(world.step(&mut state, &action));
        }
    }
    assert!(best > 0.97, "{best}");
    assert!(state.position[2] > 0.14, "it is open: {state:?}");
    // Open without a hand on it: half of it, and a little.
    let mut left = start(2);
    left.position[2] = 0.17;
    let reward = world.step(&mut left, &[0.0, 0.0]);
    assert!((0.5..0.75).contains(&reward), "{reward}");
}

/// The handle is the only way: pressing on the drawer's top or front does not open it.
#[test]
fn random_pushes_leave_it_shut() {
    let world = Drawer::new(4);
    let mut random = Stream::new(5, 0, 0, Purpose::Start);
    let mut open = 0;
    for episode in 0..20 {
        let mut state = start(episode);
        for _ in 0..125 {
            let action = [(); 2].map(|()| random.uniform(-1.0, 1.0) as f32);
            for _ in 0..4 {
                world.step(&mut state, &action);
            }
        }
        open += usize::from(state.position[2] > 0.14);
    }
    assert!(open <= 4, "{open} of 20 opened by chance");
}

#[test]
fn cabinet_and_arm_begin_anywhere_in_their_ranges() {
    let starts: Vec<_> = (0..300).map(start).collect();
    for (of, low, high) in [
        (
            &(|s: &DrawerState| s.handle[0]) as &dyn Fn(&DrawerState) -> f64,
            0.09,
            0.15,
        ),
        (&|s: &DrawerState| s.handle[1], 0.15, 0.22),
        (&|s: &DrawerState| s.position[2], 0.0, 0.03),
    ] {
        let mean = starts.iter().map(of).sum::<f64>() / 300.0;
        assert!(starts.iter().map(of).all(|x| (low..high).contains(&x)));
        assert!(
            (mean - 0.5 * (low + high)).abs() < 0.1 * (high - low),
            "{mean}"
        );
    }
    let world = Drawer::new(4);
    for state in &starts {
        let [tip, velocity] = world.tip(state);
        assert!(tip[1] > 0.0 && velocity == [0.0; 2], "{tip:?}");
    }
}
