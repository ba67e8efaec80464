//! What a ray need not be tested against: where in a picture a thing can be seen, where
//! its shadow on the floor can, and which things can put which into shadow.
//!
//! A shape is the convex hull of balls of one radius (a box has corners of radius 0, a
//! cylinder is held to be the box around it), so in a picture it lies within the bounds
//! of its balls. All bounds are wider than the things by more than the rounding of the
//! shader: they leave out what a ray misses, and so change no pixel.

use super::scene::{Camera, Ground, MAX_PRIMITIVES, Primitive, Shape, cross, normalised};

type V = [f32; 3];

/// Left, right, lower and upper bound in a picture: its middle is the origin, its upper
/// edge at 1, a square one's right edge at 1.
pub(super) type Bounds = [f32; 4];

/// Of what may be seen anywhere, and of what is not seen at all.
const EVERYWHERE: Bounds = [-1e9, 1e9, -1e9, 1e9];
const NOWHERE: Bounds = [1e9, -1e9, 1e9, -1e9];
/// How much wider than the things are bounds in a picture, and those in metres.
const PICTURE_MARGIN: f32 = 2e-3;
const MARGIN: f32 = 3e-3;
/// How far from a surface its shadow is asked for (`raycast.wgsl`).
const LIFT: f32 = 2e-3;
/// What is nearer to the eye than this, in front of it, has no bounds.
const NEAREST: f32 = 1e-2;
/// A light lower than this sine of its height has no bounds of shadows.
const LOWEST: f32 = 1e-2;

/// The balls of whose hull a shape consists, or in which it lies.
struct Hull {
    centres: [V; 8],
    count: usize,
    radius: f32,
    /// Unit, along the shape's own axis.
    axis: V,
}

impl Hull {
    fn new(primitive: &Primitive) -> Hull {
        let (half, radius) = match primitive.shape {
            Shape::Sphere { radius } => ([0.0; 3], radius),
            Shape::Capsule {
                radius,
                half_length,
            } => ([0.0, 0.0, half_length], radius),
            Shape::Box { half } => (half, 0.0),
            Shape::Cylinder {
                radius,
                half_length,
            } => ([radius, radius, half_length], 0.0),
        };
        let mut hull = Hull {
            centres: [primitive.position; 8],
            count: 1,
            radius,
            axis: rotate(primitive.rotation, [0.0, 0.0, 1.0]),
        };
        for (i, &half) in half.iter().enumerate().filter(|(_, half)| **half != 0.0) {
            let mut along = [0.0; 3];
            along[i] = half;
            let along = rotate(primitive.rotation, along);
            for k in 0..hull.count {
                let centre = hull.centres[k];
                hull.centres[k] = add(centre, along, -1.0);
                hull.centres[hull.count + k] = add(centre, along, 1.0);
            }
            hull.count *= 2;
        }
        hull
    }

    fn centres(&self) -> &[V] {
        &self.centres[..self.count]
    }

    /// The least and the greatest coordinate along a unit vector.
    fn extent(&self, along: V) -> [f32; 2] {
        let [low, high] = (self.centres().iter())
            .map(|&c| dot(c, along))
            .fold([f32::MAX, f32::MIN], |[low, high], x| {
                [low.min(x), high.max(x)]
            });
        [low - self.radius, high + self.radius]
    }
}

/// Where a thing can be seen.
pub(super) fn seen(camera: &Camera, primitive: &Primitive) -> Bounds {
    let hull = Hull::new(primitive);
    bounds(camera, hull.centres(), hull.radius)
}

/// Where the shadow of a thing on the floor can be seen.
pub(super) fn shade(camera: &Camera, light: V, ground: &Ground, primitive: &Primitive) -> Bounds {
    if light[2] < LOWEST {
        return EVERYWHERE;
    }
    // A ball's shadow is an ellipse that is longer the lower the light: its rectangle.
    let level = light[0].hypot(light[1]);
    let away = match level > 1e-6 {
        true => [light[0] / level, light[1] / level],
        false => [1.0, 0.0],
    };
    let hull = Hull::new(primitive);
    let wide = hull.radius + MARGIN;
    let long = wide / light[2];
    let corners = |&[x, y, z]: &V| -> [V; 4] {
        let way = (z - ground.height - LIFT) / light[2];
        let (x, y) = (x - way * light[0], y - way * light[1]);
        [(-1.0, -1.0), (-1.0, 1.0), (1.0, -1.0), (1.0, 1.0)].map(|(along, across)| {
            let (along, across) = (along * long, across * wide);
            let x = x + along * away[0] - across * away[1];
            [x, y + along * away[1] + across * away[0], ground.height]
        })
    };
    (hull.centres().iter())
        .map(|centre| bounds(camera, &corners(centre), 0.0))
        .fold(NOWHERE, union)
}

/// Bit j of element i: primitive j can put primitive i into shadow. None does so with
/// itself: all are convex.
pub(super) fn shadowers(light: V, primitives: &[Primitive]) -> [u32; MAX_PRIMITIVES] {
    let aside = match light[0].abs() < 0.5 {
        true => [1.0, 0.0, 0.0],
        false => [0.0, 1.0, 0.0],
    };
    let across = normalised(cross(light, aside));
    let fixed = [across, cross(light, across)];
    let hulls: Vec<Hull> = primitives.iter().map(Hull::new).collect();
    // Where a plane along the light parts two shapes, neither shades the other.
    let parted = |a: &Hull, b: &Hull, normal: V| {
        let ([low, high], [least, most]) = (a.extent(normal), b.extent(normal));
        low > most + MARGIN || least > high + MARGIN
    };
    let shades = |caster: &Hull, shaded: &Hull| {
        if caster.extent(light)[1] < shaded.extent(light)[0] - MARGIN {
            return false;
        }
        let along = [caster, shaded].map(|hull| cross(hull.axis, light));
        let own = (along.into_iter())
            .filter(|n| dot(*n, *n) > 1e-4)
            .map(normalised);
        !fixed
            .into_iter()
            .chain(own)
            .any(|normal| parted(caster, shaded, normal))
    };
    let mut all = [0; MAX_PRIMITIVES];
    for (i, shaded) in hulls.iter().enumerate() {
        for (j, caster) in hulls.iter().enumerate() {
            if i != j && shades(caster, shaded) {
                all[i] |= 1 << j;
            }
        }
    }
    all
}

/// The bounds of balls in a picture.
fn bounds(camera: &Camera, centres: &[V], radius: f32) -> Bounds {
    let mut all = NOWHERE;
    for &centre in centres {
        let from = add(centre, camera.eye, -1.0);
        let [x, y, z] = [camera.right, camera.up, camera.forward].map(|axis| dot(from, axis));
        if z < 1.05 * radius + NEAREST {
            return EVERYWHERE;
        }
        // The slopes of the two lines through the eye that touch the circle about (x, z).
        let slopes = |x: f32| {
            let reach = radius * (x * x + z * z - radius * radius).sqrt();
            [x * z - reach, x * z + reach].map(|s| camera.focal * s / (z * z - radius * radius))
        };
        let ([left, right], [lower, upper]) = (slopes(x), slopes(y));
        let margin = PICTURE_MARGIN;
        let ball = [
            left - margin,
            right + margin,
            lower - margin,
            upper + margin,
        ];
        all = union(all, ball);
    }
    all
}

fn union(a: Bounds, b: Bounds) -> Bounds {
    [
        a[0].min(b[0]),
        a[1].max(b[1]),
        a[2].min(b[2]),
        a[3].max(b[3]),
    ]
}

fn dot(a: V, b: V) -> f32 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// a + s b.
fn add(a: V, b: V, s: f32) -> V {
    [0, 1, 2].map(|i| a[i] + s * b[i])
}

/// Turns `v` by the unit quaternion `q`.
fn rotate(q: [f32; 4], v: V) -> V {
    let axis = [q[0], q[1], q[2]];
    let twice = cross(axis, v).map(|c| 2.0 * c);
    add(add(v, twice, q[3]), cross(axis, twice), 1.0)
}
