//! What the ray caster leaves out by its bounds changes no pixel.

use std::f32::consts::TAU;

use foveate::envs::native::Renderer;
use foveate::envs::native::scene::{
    Backdrop, Camera, Ground, MAX_PRIMITIVES, Primitive, Scene, SceneData, Shape, turn,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::caster::colour;
use crate::common::gpu;
use crate::gpu::{frames, scenes, store};

const SIZE: usize = 60;

/// A direction, unit.
fn direction(rng: &mut StdRng) -> [f32; 3] {
    loop {
        let v: [f32; 3] = std::array::from_fn(|_| rng.random_range(-1.0..1.0));
        let length = v.iter().map(|x| x * x).sum::<f32>().sqrt();
        if (0.1..1.0).contains(&length) {
            return v.map(|x| x / length);
        }
    }
}

fn shape(rng: &mut StdRng) -> Shape {
    let radius = rng.random_range(0.02..0.25);
    let half_length = rng.random_range(0.01..0.5);
    match rng.random_range(0..4) {
        0 => Shape::Sphere { radius },
        1 => Shape::Capsule {
            radius,
            half_length,
        },
        2 => Shape::Box {
            half: std::array::from_fn(|_| rng.random_range(0.01..0.4)),
        },
        _ => Shape::Cylinder {
            radius,
            half_length,
        },
    }
}

/// Shapes in a heap, half in the floor, seen from anywhere, the light from anywhere.
fn heap(rng: &mut StdRng) -> Scene {
    let things = (0..MAX_PRIMITIVES).map(|_| Primitive {
        shape: shape(rng),
        position: std::array::from_fn(|_| rng.random_range(-0.9..0.9)),
        rotation: turn(direction(rng), rng.random_range(0.0..TAU)),
        colour: std::array::from_fn(|_| rng.random_range(0.2..1.0)),
        gloss: rng.random_range(0.0..1.0),
        segment: 2,
    });
    let primitives: Vec<Primitive> = things.collect();
    // Now and then among the things, but in none.
    let eye = loop {
        let far = rng.random_range(0.3..4.0);
        let eye = direction(rng).map(|x| far * x);
        let outside = primitives.iter().all(|p| {
            let way: f32 = (0..3).map(|i| (eye[i] - p.position[i]).powi(2)).sum();
            way.sqrt() > 0.8
        });
        if outside && eye[0].hypot(eye[1]) > 0.1 {
            break eye;
        }
    };
    Scene {
        camera: Camera::look_at(eye, [0.0; 3], rng.random_range(20.0..90.0)),
        light: direction(rng),
        shadows: true,
        ground: Ground {
            height: rng.random_range(-0.8..0.2),
            half: [2.0, 1.5],
            field: 0.4,
            colours: [[0.9, 0.8, 0.7], [0.3, 0.4, 0.5]],
        },
        backdrop: Backdrop::Sky([0.2, 0.4, 0.8]),
        floor_covered: false,
        time: 0.0,
        primitives,
    }
}

/// The scene with bounds that leave nothing out.
fn unbounded(scene: &SceneData) -> SceneData {
    let everywhere = [-1e9, 1e9, -1e9, 1e9];
    let mut all = *scene;
    for primitive in &mut all.primitives {
        (primitive.seen, primitive.shade) = (everywhere, everywhere);
    }
    all.shadowers = [u32::MAX >> (32 - MAX_PRIMITIVES); MAX_PRIMITIVES];
    all
}

#[test]
fn bounds_leave_out_only_what_no_ray_meets() {
    let gpu = gpu();
    let mut rng = StdRng::seed_from_u64(4);
    let mut scenes = scenes(&[]);
    let worlds = scenes.len();
    scenes.extend((0..60).map(|_| heap(&mut rng).data()));
    let slots: Vec<u32> = (0..scenes.len() as u32).collect();
    let store = store(&gpu, slots.len(), slots.len(), SIZE);
    let renderer = Renderer::new(&gpu, &store, slots.len(), None).unwrap();
    let drawn = |scenes: &[SceneData]| {
        renderer.draw(scenes, &slots).unwrap();
        (frames(&gpu, &store), renderer.segmentation(scenes).unwrap())
    };
    let all: Vec<SceneData> = scenes.iter().map(unbounded).collect();
    let (bounded, whole) = (drawn(&scenes), drawn(&all));
    for (i, scene) in scenes.iter().enumerate() {
        assert!(bounded.0[i] == whole.0[i], "scene {i}: {scene:?}");
        assert!(bounded.1[i] == whole.1[i], "scene {i}: {scene:?}");
    }
    // Bounds that are a hundredth of the picture narrower, or a thing less that shades,
    // would have been found.
    let narrowed = |narrow: &dyn Fn(&mut SceneData)| -> Vec<SceneData> {
        let mut narrowed = scenes.clone();
        narrowed.iter_mut().for_each(narrow);
        narrowed
    };
    let inwards = |b: [f32; 4]| [b[0] + 0.02, b[1] - 0.02, b[2] + 0.02, b[3] - 0.02];
    type Narrowing<'a> = (&'a str, &'a dyn Fn(&mut SceneData));
    let narrowings: [Narrowing; 3] = [
        ("seen", &|scene| {
            for primitive in &mut scene.primitives {
                primitive.seen = inwards(primitive.seen);
            }
        }),
        ("shade", &|scene| {
            for primitive in &mut scene.primitives {
                primitive.shade = inwards(primitive.shade);
            }
        }),
        ("shadowers", &|scene| {
            for shadowers in scene.shadowers.iter_mut().filter(|s| **s != 0) {
                *shadowers &= *shadowers - 1;
            }
        }),
    ];
    for (what, narrow) in narrowings {
        let (less, _) = drawn(&narrowed(narrow));
        let found = less.iter().zip(&whole.0).filter(|(a, b)| a != b).count();
        assert!(found >= 20, "{what}: {found} of {} scenes", scenes.len());
    }
    // They do leave out, and heaps look as the twin has them.
    let things = |scenes: &[SceneData]| -> u32 {
        let ones = |s: &SceneData| s.shadowers.iter().map(|m| m.count_ones()).sum::<u32>();
        scenes.iter().map(ones).sum()
    };
    assert!(2 * things(&scenes) < things(&all));
    for (scene, frame) in scenes.iter().zip(&bounded.0).skip(worlds) {
        let right = colour(scene, SIZE, None);
        let off = |(a, b): &(&u8, &u8)| a.abs_diff(**b) > 2;
        let wrong = right.iter().zip(frame).filter(off).count();
        assert!(wrong * 200 <= frame.len(), "{wrong} bytes: {scene:?}");
    }
}
