//! The shader on the adapter at hand against its CPU twin, and against itself.

use std::sync::Mutex;

use foveate::Error;
use foveate::envs::native::scene::{SEGMENT_FLOOR, SEGMENT_TASK, SceneData};
use foveate::envs::native::{IDS, Mode, PictureBank, Renderer, WorldOptions, create, picture};
use foveate::envs::{EnvError, Transition};
use foveate::gpu::{BufferRange, FrameShape, FrameStore, Gpu, GpuError};

use crate::caster::{Bank, colour, segmentation};
use crate::common::gpu;

/// What a slot holds before anything is drawn into it.
pub const POISON: u8 = 0xA5;

/// A store whose every byte is [`POISON`], with at most `per_page` frames a page.
pub fn store(gpu: &Gpu, slots: usize, per_page: usize, size: usize) -> FrameStore {
    let limit = (per_page * 3 * size * size) as u64;
    let store = FrameStore::with_page_limit(gpu, slots, FrameShape::rgb(size), limit).unwrap();
    for page in store.pages() {
        let poison = vec![POISON; page.size() as usize];
        gpu.write(&BufferRange::whole(page), &poison).unwrap();
    }
    store
}

/// All frames of a store.
pub fn frames(gpu: &Gpu, store: &FrameStore) -> Vec<Vec<u8>> {
    (0..store.capacity())
        .map(|slot| gpu.read_blocking(&store.slot(slot)).unwrap())
        .collect()
}

/// Scenes of every world in every mode, some steps into their episodes. Played once:
/// some experts think long.
pub fn scenes(clips: &[u32]) -> Vec<SceneData> {
    static PLAYED: Mutex<Vec<(Vec<u32>, Vec<SceneData>)>> = Mutex::new(vec![]);
    let mut played = PLAYED.lock().unwrap();
    if let Some((_, scenes)) = played.iter().find(|(of, _)| of == clips) {
        return scenes.clone();
    }
    let mut all = vec![];
    for id in IDS {
        for mode in Mode::ALL {
            // As many as show every kind of moving picture, for the first worlds.
            let count = match (mode.name().starts_with("video"), IDS[..2].contains(&id)) {
                (true, true) => 12,
                (false, true) => 3,
                _ => 2,
            };
            let options = WorldOptions {
                count,
                seed: 3,
                mode,
                clips: clips.to_vec(),
                ..Default::default()
            };
            let mut world = create(id, options).unwrap();
            let dim = world.spec().action_dim;
            let mut answers = vec![Transition::default(); count];
            for step in 0..25 {
                let mut actions = vec![0.0; count * dim];
                for (env, action) in actions.chunks_exact_mut(dim).enumerate() {
                    if step < 36 / count * env {
                        world.expert(env, action).unwrap();
                    }
                }
                world.step(&actions, &mut answers).unwrap();
            }
            all.extend((0..count).map(|env| world.scene(env).unwrap().data()));
        }
    }
    played.push((clips.to_vec(), all.clone()));
    all
}

/// `count` pictures of the bank of these tests.
fn pictures(count: u32, side: usize) -> Vec<Vec<u8>> {
    (0..count)
        .map(|i| picture::procedural_picture(1, i, side))
        .collect()
}

/// Rounding may move an edge by a subsample and a colour by a level: no more
/// than 1 byte in 200 may differ by more than 2 levels, in any picture.
fn compare(size: usize, with_pictures: bool) {
    let gpu = gpu();
    let side = 20;
    let pictures = pictures(5, side);
    let packed = PictureBank::from_pictures(&gpu, &pictures, side).unwrap();
    let bytes = pictures.concat();
    let bank = Bank {
        width: side,
        height: side,
        bytes: &bytes,
    };
    let clips: &[u32] = if with_pictures { &[2, 3] } else { &[] };
    let scenes = scenes(clips);
    // Slots in another order, with one between that nothing draws into; pages of
    // 7 slots, of which the last is not full.
    let slots = scenes.len() + 1;
    assert!(!slots.is_multiple_of(7));
    let destination: Vec<u32> = (0..scenes.len())
        .map(|w| if w < 4 { w } else { w + 1 } as u32)
        .rev()
        .collect();
    let frame = 3 * size * size;
    let store = store(&gpu, slots, 7, size);
    assert_eq!(store.pages().len(), slots.div_ceil(7));
    let renderer =
        Renderer::new(&gpu, &store, scenes.len(), with_pictures.then_some(&packed)).unwrap();
    renderer.draw(&scenes, &destination).unwrap();
    let drawn = frames(&gpu, &store);
    renderer.draw(&scenes, &destination).unwrap();
    assert!(
        drawn == frames(&gpu, &store),
        "the same device gives the same bits"
    );
    assert!(drawn[4].iter().all(|&b| b == POISON));
    let ids = renderer.segmentation(&scenes).unwrap();
    assert_eq!(ids.len(), scenes.len());
    for (w, (scene, &slot)) in scenes.iter().zip(&destination).enumerate() {
        let right = colour(scene, size, Some(&bank));
        let found = &drawn[slot as usize];
        let off = |(a, b): (&u8, &u8)| a.abs_diff(*b) > 2;
        let wrong = right
            .iter()
            .zip(found)
            .filter(|&(a, b)| off((a, b)))
            .count();
        assert!(
            wrong * 200 <= frame,
            "scene {w}, {wrong} of {frame} bytes: {scene:?}"
        );
        let right = segmentation(scene, size);
        assert_eq!(ids[w].len(), right.len());
        let wrong = right.iter().zip(&ids[w]).filter(|(a, b)| a != b).count();
        assert!(
            wrong * 500 <= size * size,
            "scene {w}, {wrong} ids: {scene:?}"
        );
        assert!(right.contains(&2), "what the agent moves is in the picture");
    }
}

#[test]
fn the_shader_draws_what_its_twin_draws() {
    compare(36, false);
    compare(84, false);
}

#[test]
fn the_shader_shows_the_picture_bank_as_its_twin_does() {
    compare(36, true);
}

/// However scenes are spread over pages, each slot gets its scene and nothing
/// else is touched: neither slots without one nor scenes without a slot.
#[test]
fn only_the_slots_that_are_named_are_drawn_into() {
    let (gpu, size) = (gpu(), 36);
    let scenes = &scenes(&[])[..6];
    let whole = store(&gpu, 6, 6, size);
    let renderer = Renderer::new(&gpu, &whole, 8, None).unwrap();
    renderer.draw(scenes, &[0, 1, 2, 3, 4, 5]).unwrap();
    let right = frames(&gpu, &whole);

    let paged = store(&gpu, 11, 2, size);
    let renderer = Renderer::new(&gpu, &paged, 8, None).unwrap();
    let slots = [10, FrameStore::NO_SLOT, 3, 0, 9, 2];
    renderer.draw(scenes, &slots).unwrap();
    // A second drawing in the same breath must not disturb the first.
    renderer.draw(&scenes[1..2], &[5]).unwrap();
    for (slot, frame) in frames(&gpu, &paged).iter().enumerate() {
        match slots.iter().position(|&s| s as usize == slot) {
            Some(scene) => assert!(*frame == right[scene], "slot {slot}"),
            None if slot == 5 => assert!(*frame == right[1]),
            None => assert!(frame.iter().all(|&b| b == POISON), "slot {slot}"),
        }
    }
}

/// What cannot be drawn is refused before anything is drawn.
#[test]
fn impossible_slots_and_scenes_are_refused() {
    let (gpu, size) = (gpu(), 36);
    let scenes = scenes(&[]);
    let with_picture = SceneData {
        background: 2,
        ..scenes[0]
    };
    let store = store(&gpu, 3, 2, size);
    let renderer = Renderer::new(&gpu, &store, 2, None).unwrap();
    for (scenes, slots, reason) in [
        (&scenes[..2], &[0, 3][..], "slot 3 of a store of 3 frames"),
        (&scenes[..2], &[1, 1], "slot 1 is given twice"),
        (&scenes[..2], &[1], "2 scenes and 1 slots"),
        (&scenes[..3], &[0, 1, 2], "a renderer of 2 worlds"),
        (&[with_picture], &[0], "picture 0, the bank has 0"),
    ] {
        let error = renderer.draw(scenes, slots).unwrap_err();
        assert!(matches!(error, GpuError::Rejected { .. }));
        assert!(error.to_string().contains(reason), "{error}");
    }
    for frame in frames(&gpu, &store) {
        assert!(frame.iter().all(|&b| b == POISON));
    }
    assert!(Renderer::new(&gpu, &store, 0, None).is_err());
    assert!(Renderer::new(&gpu, &store, 1 << 30, None).is_err());
    // More scenes than the renderer draws at a time are segmented in parts.
    let ids = renderer.segmentation(&scenes[..5]).unwrap();
    for (scene, ids) in scenes.iter().zip(&ids) {
        assert_eq!(renderer.segmentation(&[*scene]).unwrap()[0], *ids);
    }
    assert_eq!(ids.len(), 5);
}

#[test]
fn a_picture_bank_that_cannot_be_is_refused() {
    let gpu = gpu();
    let refuse = |pictures: &[&[u8]], size| match PictureBank::from_pictures(&gpu, pictures, size) {
        Err(Error::Env(error)) => error,
        other => panic!("{other:?}"),
    };
    assert!(matches!(refuse(&[], 8), EnvError::NoPictures));
    let short = [0; 3 * 64 - 1];
    let right = [0; 3 * 64];
    let error = refuse(&[&right, &short], 8);
    assert!(
        matches!(error, EnvError::PictureBytes { index: 1, .. }),
        "{error}"
    );
    assert!(matches!(
        refuse(&[&[0; 108]], 6),
        EnvError::PictureBytes { .. }
    ));
    // One picture again and again, so that the host needs not hold them all.
    let size = 1024;
    let picture = vec![0; 3 * size * size];
    let limits = *gpu.capabilities();
    let most = limits.max_binding.min(limits.max_buffer) as usize / picture.len();
    let many = vec![&picture[..]; most + 1];
    let error = refuse(&many, size);
    assert!(error.is_user_mistake());
    assert!(
        error.to_string().contains(&format!("at most {most}")),
        "{error}"
    );
}

/// What is controlled and what it is to be brought to are both in sight, neither a speck
/// nor the whole picture, wherever an episode begins.
#[test]
fn bodies_and_goals_are_in_the_picture() {
    let (gpu, size, count) = (gpu(), 84, 24);
    let store = store(&gpu, count, count, size);
    let renderer = Renderer::new(&gpu, &store, count, None).unwrap();
    for id in IDS {
        let asked = WorldOptions {
            count,
            seed: 8,
            ..Default::default()
        };
        let world = create(id, asked).unwrap();
        let scenes: Vec<_> = (0..count)
            .map(|env| world.scene(env).unwrap().data())
            .collect();
        for (env, ids) in renderer.segmentation(&scenes).unwrap().iter().enumerate() {
            let seen = |segment: u8| ids.iter().filter(|&&id| id == segment).count();
            let about = ids.iter().filter(|&&id| id >= SEGMENT_TASK).count();
            assert!((60..3000).contains(&about), "{id}, {env}: {about} pixels");
            for segment in [SEGMENT_TASK, SEGMENT_TASK + 1] {
                let pixels = seen(segment);
                assert!(pixels >= 9, "{id}, {env}: {pixels} pixels of {segment}");
            }
            assert!(seen(SEGMENT_FLOOR) > 100, "{id}, {env}: the floor");
        }
    }
}
