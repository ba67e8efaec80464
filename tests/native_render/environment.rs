//! Environments through their one interface: frames, saved states, modes, errors.

use foveate::Error;
use foveate::envs::native::{IDS, Mode};
use foveate::envs::{EnvError, EnvOptions, Environment, Transition, describe, open};
use foveate::gpu::{FrameShape, FrameStore};
use foveate::media::Rgb8;

use crate::common::gpu;
use crate::gpu::{POISON, frames, store};

const SIZE: usize = 36;

fn options(id: &str, mode: Mode) -> EnvOptions {
    EnvOptions {
        count: 3,
        image_size: SIZE,
        seed: 5,
        mode,
        ..EnvOptions::new(id)
    }
}

/// Actions that differ by environment and step.
fn actions(env: &dyn Environment, step: usize) -> Vec<f32> {
    (0..env.count() * env.spec().action_dim)
        .map(|i| ((i * 7 + step * 3) as f32 * 0.9).sin())
        .collect()
}

fn advance(env: &mut dyn Environment, steps: std::ops::Range<usize>) -> Vec<Transition> {
    let mut transitions = vec![Transition::default(); env.count()];
    let mut all = vec![];
    for step in steps {
        env.step(&actions(env, step), &mut transitions).unwrap();
        all.extend_from_slice(&transitions);
    }
    all
}

#[test]
fn a_restored_environment_goes_on_with_identical_frames() {
    let gpu = gpu();
    for id in IDS {
        for mode in [Mode::Train, Mode::ColorHard, Mode::VideoHard] {
            let store = store(&gpu, 13, 4, SIZE);
            let options = options(id, mode);
            let mut env = open(&gpu, &store, &options).unwrap();
            env.reset(1, 4).unwrap();
            advance(&mut *env, 0..5);
            env.observe(&[0, 1, 2]).unwrap();
            let saved = env.save().unwrap();
            let went = advance(&mut *env, 5..9);
            env.observe(&[3, 4, 5]).unwrap();

            // In another environment, with other slots and a past of its own.
            let mut other = open(&gpu, &store, &options).unwrap();
            other.reset(0, 9).unwrap();
            advance(&mut *other, 0..2);
            other.restore(&saved).unwrap();
            other.observe(&[6, 7, 8]).unwrap();
            assert_eq!(advance(&mut *other, 5..9), went);
            other.observe(&[11, FrameStore::NO_SLOT, 10]).unwrap();

            let drawn = frames(&gpu, &store);
            assert!(drawn[..3] == drawn[6..9], "{id} {mode}");
            assert!(drawn[3] == drawn[11] && drawn[5] == drawn[10]);
            assert!(drawn[0] != drawn[3] && drawn[0] != drawn[1]);
            for untouched in [9, 12] {
                assert!(drawn[untouched].iter().all(|&b| b == POISON));
            }
            assert!(matches!(other.restore(b"rubbish"), Err(Error::Env(_))));
        }
    }
}

/// With a fourth plane a frame is what it was, and what the task is about below it.
#[test]
fn saliency_is_drawn_below_the_picture() {
    let gpu = gpu();
    let plain = store(&gpu, 3, 4, SIZE);
    let shape = FrameShape::rgb_and_saliency(SIZE);
    let salient = FrameStore::with_page_limit(&gpu, 4, shape, 2 * shape.bytes() as u64).unwrap();
    for id in IDS {
        for mode in [Mode::Train, Mode::VideoHard] {
            let options = options(id, mode);
            let mut seen = open(&gpu, &plain, &options).unwrap();
            let mut env = open(&gpu, &salient, &options).unwrap();
            for env in [&mut seen, &mut env] {
                advance(&mut **env, 0..3);
            }
            seen.observe(&[0, 1, 2]).unwrap();
            env.observe(&[3, 0, 2]).unwrap();
            let known = env.as_native().unwrap().saliency().unwrap();
            let (pictures, both) = (frames(&gpu, &plain), frames(&gpu, &salient));
            for (env, slot) in [3, 0, 2].into_iter().enumerate() {
                let (picture, saliency) = both[slot].split_at(3 * SIZE * SIZE);
                assert_eq!(picture, pictures[env], "{id}, {mode}, {env}");
                assert_eq!(saliency, known[env], "{id}, {mode}, {env}");
                assert!(saliency.contains(&255) && saliency.contains(&0), "{id}");
            }
        }
    }
    let other = FrameStore::new(
        &gpu,
        3,
        FrameShape {
            planes: 5,
            side: SIZE,
        },
    )
    .unwrap();
    let error = open(&gpu, &other, &options(IDS[0], Mode::Train));
    let error = error.err().unwrap().to_string();
    assert!(error.contains("5 planes"), "{error}");
}

/// A moment of a world that is in training looks in another mode as that of a
/// world that is in this mode.
#[test]
fn a_native_moment_can_be_seen_in_every_mode() {
    let gpu = gpu();
    let store = store(&gpu, 6, 6, SIZE);
    for mode in Mode::ALL {
        let mut train = open(&gpu, &store, &options(IDS[0], Mode::Train)).unwrap();
        let mut changed = open(&gpu, &store, &options(IDS[0], mode)).unwrap();
        advance(&mut *train, 0..4);
        advance(&mut *changed, 0..4);
        let native = train.as_native().unwrap();
        native.observe_in(mode, &[0, 1, 2]).unwrap();
        changed.observe(&[3, 4, 5]).unwrap();
        let seen = frames(&gpu, &store);
        assert!(seen[..3] == seen[3..], "{mode}");
        native.observe_in(Mode::Train, &[0, 1, 2]).unwrap();
        let plain = frames(&gpu, &store);
        assert_eq!(plain[0] == seen[0], mode == Mode::Train);

        let ids = native.segmentation().unwrap();
        assert_eq!(ids, changed.as_native().unwrap().segmentation().unwrap());
        let mut expert = vec![f32::NAN; 3 * native.world().spec().action_dim];
        native.expert(&mut expert).unwrap();
        assert!(expert.iter().all(|a| a.abs() <= 1.0));
    }
}

/// The folder is one clip: sorted by name, one picture an agent step, in turns.
#[test]
fn a_folder_of_backgrounds_is_shown_picture_by_picture() {
    let gpu = gpu();
    let folder = tempfile::TempDir::new().unwrap();
    let colours = [[250, 10, 10], [10, 250, 10], [10, 10, 250]];
    for (name, colour) in ["a.png", "b.png", "c.png"].iter().zip(colours) {
        let picture = Rgb8::filled(50, 40, colour).unwrap();
        picture.save_png(&folder.path().join(name)).unwrap();
    }
    let store = store(&gpu, 3, 3, SIZE);
    let mut env = open(
        &gpu,
        &store,
        &EnvOptions {
            backgrounds: Some(folder.path().to_owned()),
            ..options(IDS[0], Mode::VideoHard)
        },
    )
    .unwrap();
    for step in 0..5 {
        env.observe(&[0, 1, 2]).unwrap();
        let ids = env.as_native().unwrap().segmentation().unwrap();
        for (frame, ids) in frames(&gpu, &store).iter().zip(&ids) {
            // The upper left corner is open in every world.
            assert!(ids[0] < 2);
            let corner = [0, 1, 2].map(|c| frame[c * SIZE * SIZE]);
            assert_eq!(corner, colours[step % 3], "step {step}");
        }
        advance(&mut *env, step..step + 1);
    }
    let missing = EnvOptions {
        backgrounds: Some(folder.path().join("none")),
        ..options(IDS[0], Mode::VideoHard)
    };
    let error = open(&gpu, &store, &missing).err().unwrap();
    assert!(error.is_user_mistake(), "{error}");
}

#[test]
fn what_cannot_be_opened_is_said_in_words() {
    for (id, nearest) in [
        ("nativ/reach", Some("native/reach")),
        ("native/raech", Some("native/reach")),
        ("cartpole", Some("native/cartpole")),
        ("dmcontrol/walker-walk", Some("dm_control/walker-walk")),
        ("atari/pong", None),
    ] {
        let error = describe(id, SIZE, None).unwrap_err();
        assert!(error.is_user_mistake());
        let Error::Env(EnvError::Unknown {
            given,
            nearest: found,
            known,
        }) = error
        else {
            panic!("{error}");
        };
        assert_eq!((&*given, found.as_deref()), (id, nearest));
        assert!(known.contains("native/reach"), "{known}");
    }
    let spec = describe("native/reach", 84, Some(4)).unwrap();
    assert_eq!((spec.image_size, spec.action_repeat), (84, 4));
    assert_eq!((spec.action_dim, spec.episode_steps), (2, 25));

    let gpu = gpu();
    let store = store(&gpu, 3, 3, SIZE);
    // Refused before any Python is looked for.
    let real = options("ale/Pong", Mode::VideoEasy);
    let error = open(&gpu, &store, &real).err().unwrap();
    assert!(error.is_user_mistake());
    assert!(
        matches!(error, Error::Env(EnvError::Mode { .. })),
        "{error}"
    );
    let large = EnvOptions {
        image_size: 84,
        ..options(IDS[0], Mode::Train)
    };
    let error = open(&gpu, &store, &large).err().unwrap();
    assert!(matches!(
        error,
        Error::Env(EnvError::FrameSize {
            given: 84,
            store: SIZE,
            ..
        })
    ));

    let mut env = open(&gpu, &store, &options(IDS[0], Mode::Train)).unwrap();
    for slots in [&[0, 1][..], &[0, 1, 3], &[0, 1, 1]] {
        assert!(env.observe(slots).is_err());
    }
    assert!(env.reset(3, 0).is_err());
}
