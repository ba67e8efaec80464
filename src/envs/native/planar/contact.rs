//! Where capsules in a plane touch.

use super::tree::Pose;
use super::vector::{V2, add, dot, left, length, scale, sub};

/// Everything within `radius` of a line segment; of a point, if both ends are the same.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Capsule {
    /// The link that carries it; none: it is fixed to the world.
    pub link: Option<usize>,
    /// In the link's frame.
    pub ends: [V2; 2],
    pub radius: f64,
}

/// Two bodies near each other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Contact {
    /// In the middle between the surfaces.
    pub at: V2,
    /// Unit, from the second to the first.
    pub normal: V2,
    /// Between the surfaces; negative: they overlap.
    pub distance: f64,
    pub links: [Option<usize>; 2],
}

/// The fraction of the way from `a` to `b` that is nearest to `p`.
fn nearest(a: V2, b: V2, p: V2) -> f64 {
    let along = sub(b, a);
    let square = dot(along, along);
    if square == 0.0 {
        return 0.5;
    }
    (dot(sub(p, a), along) / square).clamp(0.0, 1.0)
}

/// The point between `a` and `b` at the fraction `t`.
fn between(a: V2, b: V2, t: f64) -> V2 {
    add(a, scale(sub(b, a), t))
}

/// Where segments cross, as a fraction of the first; none: they do not.
fn crossing([a, b]: [V2; 2], [c, d]: [V2; 2]) -> Option<f64> {
    let (along, other) = (sub(b, a), left(sub(d, c)));
    let slope = dot(along, other);
    if slope == 0.0 {
        return None;
    }
    let t = dot(sub(c, a), other) / slope;
    let met = between(a, b, t);
    let within = (0.0..=1.0).contains(&t) && dot(sub(met, c), sub(met, d)) <= 0.0;
    within.then_some(t)
}

/// The nearest points of two segments.
fn closest(first: [V2; 2], second: [V2; 2]) -> [V2; 2] {
    if let Some(t) = crossing(first, second) {
        let met = between(first[0], first[1], t);
        return [met, met];
    }
    // One of the four ends is nearest.
    let on_second = first.map(|p| {
        [
            p,
            between(second[0], second[1], nearest(second[0], second[1], p)),
        ]
    });
    let on_first = second.map(|p| {
        [
            between(first[0], first[1], nearest(first[0], first[1], p)),
            p,
        ]
    });
    let mut best = on_second[0];
    for pair in [on_second[1], on_first[0], on_first[1]] {
        let way = |[a, b]: [V2; 2]| dot(sub(a, b), sub(a, b));
        if way(pair) < way(best) {
            best = pair;
        }
    }
    best
}

/// How two capsules lie to each other.
pub(super) fn meeting<const N: usize>(pose: &Pose<N>, a: &Capsule, b: &Capsule) -> Contact {
    let [first, second] = [a, b].map(|c| c.ends.map(|end| pose.point(c.link, end)));
    let [p, q] = closest(first, second);
    let apart = sub(p, q);
    let distance = length(apart);
    // Where the axes cross there is no way out along the shortest line: the second
    // pushes the first's middle off itself.
    let normal = if distance > 1e-9 {
        scale(apart, 1.0 / distance)
    } else {
        let along = sub(second[1], second[0]);
        let across = if dot(along, along) > 0.0 {
            left(along)
        } else {
            [0.0, 1.0]
        };
        let middle = sub(scale(add(first[0], first[1]), 0.5), q);
        let side = if dot(middle, across) < 0.0 { -1.0 } else { 1.0 };
        scale(across, side / length(across))
    };
    let surfaces = [
        sub(p, scale(normal, a.radius)),
        add(q, scale(normal, b.radius)),
    ];
    Contact {
        at: scale(add(surfaces[0], surfaces[1]), 0.5),
        normal,
        distance: distance - a.radius - b.radius,
        links: [a.link, b.link],
    }
}

/// How the ends of a capsule lie to level ground at `height`.
pub(super) fn on_ground<const N: usize>(
    pose: &Pose<N>,
    capsule: &Capsule,
    height: f64,
) -> [Contact; 2] {
    capsule.ends.map(|end| {
        let centre = pose.point(capsule.link, end);
        let distance = centre[1] - capsule.radius - height;
        Contact {
            at: [centre[0], height + 0.5 * distance],
            normal: [0.0, 1.0],
            distance,
            links: [capsule.link, None],
        }
    })
}
