//! The CPU twin on scenes whose picture is known.

use foveate::envs::native::scene::{
    Backdrop, Camera, Ground, Primitive, Scene, Shape, UPRIGHT, turn,
};

use crate::caster::{Bank, colour, segmentation};

/// A camera 10 above the origin of a floor 4 wide, north up; 2·tan = 0.8 across.
fn from_above(primitives: Vec<Primitive>) -> Scene {
    Scene {
        camera: Camera {
            eye: [0.0, 0.0, 10.0],
            right: [1.0, 0.0, 0.0],
            up: [0.0, 1.0, 0.0],
            forward: [0.0, 0.0, -1.0],
            focal: 2.5,
        },
        light: [0.0, 0.0, 1.0],
        shadows: true,
        ground: Ground {
            height: 0.0,
            half: [2.0, 1.0],
            field: 1.0,
            colours: [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]],
        },
        backdrop: Backdrop::Sky([0.2, 0.4, 0.8]),
        floor_covered: false,
        time: 0.0,
        primitives,
    }
}

fn thing(shape: Shape, rotation: [f32; 4]) -> Primitive {
    Primitive {
        shape,
        position: [0.0, 0.0, 0.0],
        rotation,
        colour: [0.0, 1.0, 0.0],
        gloss: 0.0,
        segment: 7,
    }
}

/// How much of a size x size picture of 8 x 8 at the floor's height is `id`, in
/// world units squared.
fn area(scene: &Scene, id: u8) -> f32 {
    let size = 400;
    let seen = segmentation(&scene.data(), size);
    let pixels = seen.iter().filter(|&&s| s == id).count() as f32;
    pixels * (8.0 / size as f32) * (8.0 / size as f32)
}

#[test]
fn silhouettes_have_the_areas_of_their_shapes() {
    let scene = from_above(vec![]);
    assert!((area(&scene, 1) - 8.0).abs() < 0.05);
    assert!((area(&scene, 0) - 56.0).abs() < 0.05);
    let pi = std::f32::consts::PI;
    let level = turn([0.0, 1.0, 0.0], pi / 2.0);
    let skew = turn([0.0, 0.0, 1.0], 0.7);
    // Seen from far above: nearly the area of the shadow of noon.
    let (radius, half_length) = (0.5, 0.6);
    for (shape, rotation, right) in [
        (Shape::Sphere { radius }, UPRIGHT, pi * 0.25),
        (
            Shape::Capsule {
                radius,
                half_length,
            },
            level,
            pi * 0.25 + 1.2,
        ),
        (
            Shape::Cylinder {
                radius,
                half_length,
            },
            level,
            1.2,
        ),
        (
            Shape::Box {
                half: [0.5, 0.4, 0.01],
            },
            skew,
            0.8,
        ),
        (
            Shape::Cylinder {
                radius,
                half_length: 0.01,
            },
            skew,
            pi * 0.25,
        ),
        (
            Shape::Capsule {
                radius,
                half_length: 0.01,
            },
            UPRIGHT,
            pi * 0.25,
        ),
    ] {
        let mut scene = from_above(vec![thing(shape, rotation)]);
        scene.camera.eye[2] = 100.0;
        scene.camera.focal = 25.0;
        let seen = area(&scene, 7);
        assert!(
            (seen / right - 1.0).abs() < 0.03,
            "{shape:?}: {seen}, not {right}"
        );
    }
}

#[test]
fn light_shadow_checkers_and_order_are_right() {
    let size = 80;
    let mut ball = thing(Shape::Sphere { radius: 0.2 }, UPRIGHT);
    ball.position = [0.5, 0.5, 2.0];
    let mut scene = from_above(vec![ball]);
    // The light from the left: the shadow of the ball lies to the right.
    scene.light = [-0.6, 0.0, 0.8];
    let at = |frame: &[u8], x: f32, y: f32| -> [u8; 3] {
        let (column, row) = ((x / 8.0 + 0.5) * 80.0, (0.5 - y / 8.0) * 80.0);
        [0, 1, 2].map(|c| frame[(c * size + row as usize) * size + column as usize])
    };
    let lit = colour(&scene.data(), size, None);
    scene.shadows = false;
    let unshadowed = colour(&scene.data(), size, None);
    // Fields: (floor x + floor y) even: the first colour.
    let light = |lambert: f32, c: f32| (255.0 * c * (0.38 + 0.17 * c + 0.55 * lambert)) as i32;
    let right = light(0.8, 1.0);
    let close = |value: u8, right: i32| (i32::from(value) - right).abs() <= 3;
    for (x, y, first) in [
        (-1.5, 0.5, true),
        (-0.5, -0.5, true),
        (-0.5, 0.5, false),
        (1.5, -0.5, true),
        (1.5, 0.5, false),
    ] {
        let [red, _, blue] = at(&unshadowed, x, y);
        let (shown, other) = if first { (red, blue) } else { (blue, red) };
        assert!(
            other == 0 && close(shown, right),
            "({x}, {y}): {red} {blue}, not {right}"
        );
    }
    // 2 above the floor and 0.5 right, so its shadow is at 0.5 + 2 * 0.6 / 0.8.
    let (dark, bright) = (at(&lit, 1.95, 0.5), at(&unshadowed, 1.95, 0.5));
    assert!(close(dark[2].max(dark[0]), light(0.0, 1.0)), "{dark:?}");
    assert!(close(bright[2].max(bright[0]), right), "{bright:?}");
    // The ball, seen at 0.5 * 10 / 8, hides the floor; the sky is beyond it.
    assert!(at(&lit, 0.62, 0.62)[1] > 100);
    let [red, green, blue] = at(&lit, 0.0, -3.9);
    assert!(red < green && green < blue);
}

/// A bank's picture fills what is open, pixel for pixel where the sizes agree.
#[test]
fn a_picture_of_the_bank_is_shown_as_it_is() {
    let size = 16;
    let bytes: Vec<u8> = (0..2 * 3 * size * size)
        .map(|i| (i * 7 % 251) as u8)
        .collect();
    let bank = Bank {
        width: size,
        height: size,
        bytes: &bytes,
    };
    let mut scene = from_above(vec![]);
    scene.backdrop = Backdrop::Picture(1);
    scene.floor_covered = true;
    let frame = colour(&scene.data(), size, Some(&bank));
    assert_eq!(frame, bytes[3 * size * size..]);
}
