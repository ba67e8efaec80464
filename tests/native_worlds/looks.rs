//! Modes, colours, clips, procedural pictures.

use std::collections::BTreeSet;

use foveate::envs::native::{IDS, Mode, Reach, WorldOptions, create, palette, picture, scene};

use crate::{act, mean, options};

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

/// What a segmentation shows has a name, and each name is of something.
#[test]
fn parts_are_named() {
    for id in IDS {
        let world = create(id, options(1, 2)).unwrap();
        let scene = world.scene(0).unwrap();
        let shown: BTreeSet<u8> = (scene.primitives.iter())
            .map(|primitive| primitive.segment)
            .filter(|segment| *segment >= scene::SEGMENT_TASK)
            .collect();
        let named = (scene::SEGMENT_TASK..).take(world.parts().len());
        assert_eq!(shown, named.collect(), "{id}: {:?}", world.parts());
        assert!(world.parts().iter().all(|name| !name.is_empty()), "{id}");
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
            assert_eq!(
                (&video.primitives, video.ground),
                (&train.primitives, train.ground)
            );
            assert!(matches!(video.backdrop, scene::Backdrop::Procedural { .. }));
            assert!(video.shadows && !video.floor_covered);
            assert!(!covered.shadows && covered.floor_covered);
        }
        let mut backdrops: Vec<_> = looks
            .iter()
            .map(|l| format!("{:?}", l[3].backdrop))
            .collect();
        backdrops.sort();
        backdrops.dedup();
        assert_eq!(backdrops.len(), looks.len());
    }
}

/// A clip of the picture bank plays one picture per agent step, and again.
#[test]
fn clips_play_in_order() {
    let asked = WorldOptions {
        mode: Mode::VideoEasy,
        clips: vec![3, 5],
        ..options(1, 2)
    };
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
    let pictures: Vec<_> = (0..20)
        .map(|i| picture::procedural_picture(3, i, 36))
        .collect();
    assert_eq!(pictures[4], picture::procedural_picture(3, 4, 36));
    assert_ne!(pictures[4], picture::procedural_picture(4, 4, 36));
    for (i, picture) in pictures.iter().enumerate() {
        assert_eq!(picture.len(), 3 * 36 * 36);
        assert!(!pictures[..i].contains(picture));
        let mean = picture.iter().map(|&b| f64::from(b)).sum::<f64>() / picture.len() as f64;
        let spread = picture
            .iter()
            .map(|&b| (f64::from(b) - mean).powi(2))
            .sum::<f64>();
        let spread = (spread / picture.len() as f64).sqrt();
        assert!(spread > 12.0, "picture {i} is flat: {spread}");
    }
}
