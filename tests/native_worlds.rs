//! The native worlds without their pictures: physics, rewards, controllers,
//! reproducibility, saved states, bad input.

use std::f64::consts::PI;

use foveate::envs::native::random::{Purpose, Stream};
use foveate::envs::native::tolerance::{Falloff, tolerance};
use foveate::envs::native::{
    Cartpole, CartpoleState, IDS, Mode, Reach, ReachState, Task, Vectorised, World, WorldError,
    WorldOptions, create, palette, picture, scene,
};
use foveate::envs::{EnvError, Transition};

fn options(count: usize, seed: u64) -> WorldOptions {
    WorldOptions {
        count,
        seed,
        image_size: 36,
        ..Default::default()
    }
}

/// One step of every environment, by the expert or at random.
fn act(world: &mut dyn World, random: Option<&mut Stream>) -> Vec<Transition> {
    let dim = world.spec().action_dim;
    let mut actions = vec![0.0; world.count() * dim];
    match random {
        Some(stream) => actions.fill_with(|| stream.uniform(-1.0, 1.0) as f32),
        None => {
            for (env, action) in actions.chunks_exact_mut(dim).enumerate() {
                world.expert(env, action).unwrap();
            }
        }
    }
    let mut answers = vec![Transition::default(); world.count()];
    world.step(&actions, &mut answers).unwrap();
    answers
}

/// Returns of one episode of each of `count` environments.
fn returns(id: &str, count: usize, expert: bool) -> Vec<f32> {
    let mut world = create(id, options(count, 1)).unwrap();
    let mut stream = Stream::new(9, 0, 0, Purpose::Start);
    let mut sums = vec![0.0; count];
    for step in 1..=world.spec().episode_steps {
        let answers = act(&mut *world, (!expert).then_some(&mut stream));
        for (sum, answer) in sums.iter_mut().zip(&answers) {
            *sum += answer.reward;
            assert!(!answer.terminated, "a time limit is no termination");
            assert_eq!(answer.truncated, step == world.spec().episode_steps);
            let most = world.spec().action_repeat as f32;
            assert!((0.0..=most).contains(&answer.reward));
        }
    }
    sums
}

fn mean(values: &[f32]) -> f32 {
    values.iter().sum::<f32>() / values.len() as f32
}

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
    ] {
        let value = tolerance(x, 0.5, 2.0, falloff);
        assert!((value - right).abs() < 1e-12, "{x} {falloff:?}: {value}");
    }
}

/// Measured over 200 episodes: reach 23 at random, 93 by the expert, of 100;
/// cartpole 116 and 856, of 1,000.
#[test]
fn experts_solve_what_chance_does_not() {
    let reach = [false, true].map(|e| returns(Reach::ID, 100, e));
    assert!((15.0..32.0).contains(&mean(&reach[0])), "{}", mean(&reach[0]));
    assert!(mean(&reach[1]) > 90.0, "{}", mean(&reach[1]));
    assert!(reach[1].iter().all(|&r| r > 70.0));
    let cartpole = [false, true].map(|e| returns(Cartpole::ID, 50, e));
    assert!(mean(&cartpole[0]) < 200.0, "{}", mean(&cartpole[0]));
    assert!(cartpole[1].iter().all(|&r| r > 800.0), "{cartpole:?}");
}

/// Other action repeats, among them one that does not divide the episode.
#[test]
fn experts_solve_other_action_repeats() {
    for (id, repeat, enough) in [(Reach::ID, 1, 88.0), (Reach::ID, 7, 80.0), (Cartpole::ID, 1, 800.0), (Cartpole::ID, 4, 800.0)] {
        let asked = WorldOptions {
            action_repeat: Some(repeat),
            ..options(20, 4)
        };
        let mut world = create(id, asked).unwrap();
        let mut sum = 0.0;
        for _ in 0..world.spec().episode_steps {
            sum += act(&mut *world, None).iter().map(|a| a.reward).sum::<f32>() / 20.0;
        }
        assert!(sum > enough, "{id} at {repeat}: {sum}");
        // What would be more than a reward of 1 for each control step.
        assert!(sum <= if id == Reach::ID { 100.0 } else { 1000.0 });
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
    assert!((state.energy() - before).abs() < 5e-3 * before.abs().max(0.1), "{before} {}", state.energy());
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
    assert!((measured / omega - 1.0).abs() < 1e-3, "{measured} {omega}");
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
    assert!(state.spin.abs() > 1.0, "the pole goes on: {}", state.spin);
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

#[test]
fn an_episode_depends_on_nothing_before_it() {
    for id in IDS {
        let mut played = create(id, options(3, 5)).unwrap();
        for _ in 0..10 {
            act(&mut *played, None);
        }
        played.reset(1, 7).unwrap();
        let mut fresh = create(id, WorldOptions { mode: Mode::VideoHard, ..options(3, 5) }).unwrap();
        fresh.reset(1, 7).unwrap();
        let train = Mode::Train;
        assert_eq!(played.scene_in(1, train), fresh.scene_in(1, train));
        let start = fresh.scene_in(1, train).unwrap();
        fresh.reset(1, 8).unwrap();
        assert_ne!(start, fresh.scene_in(1, train).unwrap());
        assert_ne!(fresh.scene_in(0, train), fresh.scene_in(2, train));
        let other = create(id, options(3, 6)).unwrap();
        assert_ne!(other.scene_in(0, train), fresh.scene_in(0, train));
    }
}

#[test]
fn a_restored_world_goes_on_with_the_same_bits() {
    for id in IDS {
        for mode in Mode::ALL {
            let asked = WorldOptions { mode, ..options(3, 11) };
            let mut world = create(id, asked.clone()).unwrap();
            world.reset(2, 4).unwrap();
            let mut stream = Stream::new(0, 0, 0, Purpose::Start);
            (0..7).for_each(|_| drop(act(&mut *world, Some(&mut stream))));
            let saved = world.save();
            let mut other = create(id, asked).unwrap();
            other.restore(&saved).unwrap();
            for _ in 0..20 {
                assert_eq!(act(&mut *world, None), act(&mut *other, None));
                assert_eq!(world.save(), other.save());
                for env in 0..3 {
                    assert_eq!(world.scene(env), other.scene(env));
                }
            }
        }
    }
}

#[test]
fn a_saved_state_that_does_not_fit_changes_nothing() {
    let mut world = create(Reach::ID, options(2, 0)).unwrap();
    act(&mut *world, None);
    let saved = world.save();
    let mut bad: Vec<(Vec<u8>, &str)> = vec![
        (vec![], "begin"),
        (saved[..20].to_vec(), "ends after 20"),
        (saved[..saved.len() - 1].to_vec(), "bytes"),
        ([&saved[..], &[0]].concat(), "bytes"),
        (create(Cartpole::ID, options(2, 0)).unwrap().save(), "id"),
        (create(Reach::ID, options(2, 1)).unwrap().save(), "seed"),
        (create(Reach::ID, options(3, 0)).unwrap().save(), "count"),
    ];
    let mut impossible = saved.clone();
    let end = impossible.len();
    impossible[end - 8..].copy_from_slice(&f64::NAN.to_le_bytes());
    bad.push((impossible, "environment 1 is in an impossible state"));
    for (bytes, says) in bad {
        let error = world.restore(&bytes).unwrap_err();
        assert!(error.to_string().contains(says), "{error} / {says}");
        assert_eq!(world.save(), saved);
    }
}

#[test]
fn bad_input_is_named() {
    let error = create("native/reech", options(1, 0)).err().unwrap();
    assert!(error.is_user_mistake());
    assert!(matches!(&error, EnvError::Unknown { nearest: Some(n), .. } if n == Reach::ID));
    let asked = [
        WorldOptions { image_size: 37, ..options(1, 0) },
        WorldOptions { image_size: 0, ..options(1, 0) },
        WorldOptions { action_repeat: Some(0), ..options(1, 0) },
        WorldOptions { action_repeat: Some(101), ..options(1, 0) },
        WorldOptions { clips: vec![3, 0], ..options(1, 0) },
        options(0, 0),
    ];
    for options in asked {
        let error = create(Reach::ID, options).err().unwrap();
        assert!(error.is_user_mistake(), "{error}");
    }
    let error = "video-herd".parse::<Mode>().unwrap_err();
    assert!(error.to_string().contains("did you mean 'video-hard'"), "{error}");
    for mode in Mode::ALL {
        assert_eq!(mode.to_string().parse::<Mode>(), Ok(mode));
    }

    let mut world = create(Reach::ID, options(2, 0)).unwrap();
    let before = world.save();
    let mut answers = [Transition::default(); 2];
    assert!(matches!(world.step(&[0.0; 3], &mut answers), Err(WorldError::Length { .. })));
    assert!(matches!(world.step(&[0.0; 4], &mut answers[..1]), Err(WorldError::Length { .. })));
    let error = world.step(&[0.0, 0.0, 0.0, f32::NAN], &mut answers).unwrap_err();
    assert!(matches!(error, WorldError::NotFinite { env: 1, component: 1, .. }));
    let none = WorldError::Environment { given: 2, count: 2 };
    assert_eq!(world.reset(2, 0).unwrap_err(), none);
    assert_eq!(world.scene(2).unwrap_err(), none);
    assert_eq!(world.expert(2, &mut [0.0; 2]).unwrap_err(), none);
    assert_eq!(world.save(), before, "what failed changed nothing");
    for _ in 0..50 {
        world.step(&[0.0; 4], &mut answers).unwrap();
    }
    assert_eq!(world.step(&[0.0; 4], &mut answers), Err(WorldError::Over { env: 0 }));
}

/// An action beyond the range acts like the nearest in it.
#[test]
fn actions_are_clipped() {
    let mut worlds = [0, 1].map(|_| Vectorised::<Cartpole>::new(options(1, 0)).unwrap());
    let mut answer = [Transition::default()];
    worlds[0].step(&[-7.0], &mut answer).unwrap();
    worlds[1].step(&[-1.0], &mut answer).unwrap();
    assert_eq!(worlds[0].state(0), worlds[1].state(0));
    assert!(worlds[0].state(0).unwrap().velocity < -0.5);
}

#[test]
fn presets_are_as_far_from_the_default_as_the_specification_says() {
    let default = palette::Palette::default();
    for (spread, right) in [(palette::Spread::Easy, 0.1), (palette::Spread::Hard, 0.19)] {
        let mut squares = vec![];
        for preset in palette::presets(spread) {
            for (near, home) in [(preset.body, default.body), (preset.sky, default.sky)] {
                squares.extend(near.iter().zip(home).map(|(a, b)| (a - b).powi(2)));
            }
            for c in 0..3 {
                let second = (preset.floor[0][c] + 0.1).min(1.0);
                assert_eq!(preset.floor[1][c], second);
            }
        }
        let deviation = mean(&squares).sqrt();
        assert!((deviation - right).abs() < 0.02, "{spread:?}: {deviation}");
    }
}

/// Colours change with the episode in the colour modes, only the backdrop in the
/// video modes, nothing in training.
#[test]
fn modes_change_what_they_should() {
    for id in IDS {
        let mut world = create(id, options(1, 2)).unwrap();
        let mut looks = vec![];
        for episode in 0..12 {
            world.reset(0, episode).unwrap();
            looks.push(Mode::ALL.map(|mode| world.scene_in(0, mode).unwrap()));
        }
        for [train, easy, hard, video, covered] in &looks {
            assert_eq!(train.ground, looks[0][0].ground);
            assert!(matches!(train.backdrop, scene::Backdrop::Sky(_)));
            assert!(train.shadows && !train.floor_covered);
            for coloured in [easy, hard] {
                assert_ne!(coloured.ground.colours, train.ground.colours);
                assert_ne!(coloured.primitives[0].colour, train.primitives[0].colour);
                assert_ne!(coloured.backdrop, train.backdrop);
            }
            assert_eq!((&video.primitives, video.ground), (&train.primitives, train.ground));
            assert!(matches!(video.backdrop, scene::Backdrop::Procedural { .. }));
            assert!(video.shadows && !video.floor_covered);
            assert!(!covered.shadows && covered.floor_covered);
        }
        let mut backdrops: Vec<_> = looks.iter().map(|l| format!("{:?}", l[3].backdrop)).collect();
        backdrops.sort();
        backdrops.dedup();
        assert_eq!(backdrops.len(), looks.len());
    }
}

/// A clip of the picture bank plays one picture per agent step, and again.
#[test]
fn clips_play_in_order() {
    let asked = WorldOptions { mode: Mode::VideoEasy, clips: vec![3, 5], ..options(1, 2) };
    let mut world = create(Reach::ID, asked).unwrap();
    let mut clips = [false; 2];
    for episode in 0..12 {
        world.reset(0, episode).unwrap();
        let shown: Vec<u32> = (0..11)
            .map(|_| {
                let scene = world.scene(0).unwrap();
                act(&mut *world, None);
                match scene.backdrop {
                    scene::Backdrop::Picture(index) => index,
                    other => panic!("{other:?}"),
                }
            })
            .collect();
        let (start, length) = if shown[0] == 0 { (0, 3) } else { (3, 5) };
        clips[usize::from(start == 3)] = true;
        let right: Vec<u32> = (0..11).map(|i| start + i % length).collect();
        assert_eq!(shown, right);
    }
    assert_eq!(clips, [true; 2], "both clips are drawn in 12 episodes");
}

#[test]
fn procedural_pictures_are_varied_and_reproducible() {
    let pictures: Vec<_> = (0..20).map(|i| picture::procedural_picture(3, i, 36)).collect();
    assert_eq!(pictures[4], picture::procedural_picture(3, 4, 36));
    assert_ne!(pictures[4], picture::procedural_picture(4, 4, 36));
    for (i, picture) in pictures.iter().enumerate() {
        assert_eq!(picture.len(), 3 * 36 * 36);
        assert!(!pictures[..i].contains(picture));
        let mean = picture.iter().map(|&b| f64::from(b)).sum::<f64>() / picture.len() as f64;
        let spread = picture.iter().map(|&b| (f64::from(b) - mean).powi(2)).sum::<f64>();
        let spread = (spread / picture.len() as f64).sqrt();
        assert!(spread > 12.0, "picture {i} is flat: {spread}");
    }
}
