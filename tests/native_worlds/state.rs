//! Episodes, saved states, bad input.

use foveate::envs::native::random::{Purpose, Stream};
use foveate::envs::native::{
    Cartpole, IDS, Mode, Reach, Vectorised, World, WorldError, WorldOptions, create,
};
use foveate::envs::{EnvError, Transition};

use crate::{act, options};

#[test]
fn an_episode_depends_on_nothing_before_it() {
    for id in IDS {
        let mut played = create(id, options(3, 5)).unwrap();
        for _ in 0..10 {
            act(&mut *played, None);
        }
        played.reset(1, 7).unwrap();
        let mut fresh = create(
            id,
            WorldOptions {
                mode: Mode::VideoHard,
                ..options(3, 5)
            },
        )
        .unwrap();
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

/// Of the paper's table of what generalises, in its second row; the first has 4 for all.
#[test]
fn action_repeats_are_those_of_the_paper() {
    for (id, dim, repeat, steps) in [
        (Cartpole::ID, 1, 8, 1000usize),
        ("native/ball_in_cup", 2, 4, 1000),
        ("native/finger", 2, 2, 1000),
        ("native/walker-stand", 6, 4, 1000),
        ("native/walker-walk", 6, 4, 1000),
        ("native/drawer", 2, 4, 500),
    ] {
        for asked in [None, Some(4)] {
            let asked = WorldOptions {
                action_repeat: asked,
                ..options(1, 0)
            };
            let right = asked.action_repeat.unwrap_or(repeat);
            let world = create(id, asked).unwrap();
            let spec = world.spec();
            assert_eq!((spec.id.as_str(), spec.action_dim), (id, dim));
            assert_eq!(
                (spec.action_repeat, spec.episode_steps),
                (right, steps.div_ceil(right))
            );
        }
    }
}

#[test]
fn a_restored_world_goes_on_with_the_same_bits() {
    for id in IDS {
        for mode in Mode::ALL {
            let asked = WorldOptions {
                mode,
                ..options(3, 11)
            };
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
        WorldOptions {
            image_size: 37,
            ..options(1, 0)
        },
        WorldOptions {
            image_size: 0,
            ..options(1, 0)
        },
        WorldOptions {
            action_repeat: Some(0),
            ..options(1, 0)
        },
        WorldOptions {
            action_repeat: Some(101),
            ..options(1, 0)
        },
        WorldOptions {
            clips: vec![3, 0],
            ..options(1, 0)
        },
        options(0, 0),
    ];
    for options in asked {
        let error = create(Reach::ID, options).err().unwrap();
        assert!(error.is_user_mistake(), "{error}");
    }
    let error = "video-herd".parse::<Mode>().unwrap_err();
    assert!(
        error.to_string().contains("did you mean 'video-hard'"),
        "{error}"
    );
    for mode in Mode::ALL {
        assert_eq!(mode.to_string().parse::<Mode>(), Ok(mode));
    }

    let mut world = create(Reach::ID, options(2, 0)).unwrap();
    let before = world.save();
    let mut answers = [Transition::default(); 2];
    assert!(matches!(
        world.step(&[0.0; 3], &mut answers),
        Err(WorldError::Length { .. })
    ));
    assert!(matches!(
        world.step(&[0.0; 4], &mut answers[..1]),
        Err(WorldError::Length { .. })
    ));
    let error = world
        .step(&[0.0, 0.0, 0.0, f32::NAN], &mut answers)
        .unwrap_err();
    assert!(matches!(
        error,
        WorldError::NotFinite {
            env: 1,
            component: 1,
            ..
        }
    ));
    let none = WorldError::Environment { given: 2, count: 2 };
    assert_eq!(world.reset(2, 0).unwrap_err(), none);
    assert_eq!(world.scene(2).unwrap_err(), none);
    assert_eq!(world.expert(2, &mut [0.0; 2]).unwrap_err(), none);
    assert_eq!(world.save(), before, "what failed changed nothing");
    for _ in 0..50 {
        world.step(&[0.0; 4], &mut answers).unwrap();
    }
    assert_eq!(
        world.step(&[0.0; 4], &mut answers),
        Err(WorldError::Over { env: 0 })
    );
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

/// Bang-bang actions at random for 10,000 control steps: rewards keep in their range,
/// everything that is told or drawn is finite, and every state can be restored.
#[test]
fn nothing_breaks_under_extreme_actions() {
    for id in IDS {
        let asked = WorldOptions {
            action_repeat: Some(2),
            ..options(2, 3)
        };
        let mut world = create(id, asked).unwrap();
        let dim = world.spec().action_dim;
        let mut stream = Stream::new(4, 0, 0, Purpose::Start);
        let mut answers = [Transition::default(); 2];
        let (mut episode, mut steps) = (0, 0);
        while steps < 10_000 {
            for env in 0..2 {
                world.reset(env, 2 * episode + env as u64).unwrap();
            }
            episode += 1;
            loop {
                // Held for some steps, so that it gets somewhere.
                let side = |x: f64| if x < 0.5 { -1.0 } else { 1.0 };
                let actions: Vec<f32> = (0..2 * dim).map(|_| side(stream.unit())).collect();
                for _ in 0..1 + stream.below(12) {
                    if answers[0].truncated {
                        break;
                    }
                    world.step(&actions, &mut answers).unwrap();
                    steps += 4;
                    for answer in answers {
                        assert!((0.0..=2.0).contains(&answer.reward), "{id}: {answer:?}");
                    }
                }
                for env in 0..2 {
                    let told = world.coordinates(env).unwrap();
                    assert_eq!(told.len(), world.coordinate_names().len());
                    assert!(told.iter().all(|x| x.is_finite()), "{id}: {told:?}");
                    for thing in world.scene(env).unwrap().primitives {
                        let turned: f32 = thing.rotation.iter().map(|x| x * x).sum();
                        assert!((turned - 1.0).abs() < 1e-3, "{id}: {thing:?}");
                        assert!(thing.position.iter().all(|x| x.abs() < 1e3), "{id}");
                    }
                }
                let saved = world.save();
                world.restore(&saved).unwrap();
                if answers[0].truncated {
                    answers = [Transition::default(); 2];
                    break;
                }
            }
        }
    }
}
