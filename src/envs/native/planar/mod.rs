//! Mechanisms that move in a plane: links on slides and hinges, with contacts,
//! friction, limits and a string.
//!
//! One step: accelerations from the equations of motion in reduced coordinates (so
//! joints cannot come apart), damping and springs taken implicitly, then
//! semi-implicit Euler. Contacts, limits, dry friction and the string are soft
//! constraints: a thing that is pushed in comes out without a bounce, like a critically
//! damped spring of time constant 20 ms (`RETURN_TIME`): of a depth at rest, three quarters
//! are left then, and a tenth after 80 ms.

mod contact;
mod solver;
mod tree;
pub mod vector;
pub(super) mod view;

pub use contact::Capsule;
pub use tree::{Body, Joint, Link, Pose, Tree};

use contact::{Contact, meeting, on_ground};
use solver::{Bound, Factor, Row, constrained};
use vector::{V2, left, length, scale, sub};

/// The time constant, 1/ω in seconds, of the critically damped spring by which a constraint
/// that is violated comes back.
const RETURN_TIME: f64 = 0.02;

/// What keeps two points from being further apart than `length`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tie {
    /// The link of each end, and the point in its frame.
    pub ends: [(usize, V2); 2],
    pub length: f64,
}

/// A tree of links, and what they touch.
#[derive(Debug, Clone, PartialEq)]
pub struct Mechanism<const N: usize> {
    pub tree: Tree<N>,
    pub capsules: Vec<Capsule>,
    /// The pairs of capsules that do not pass through each other.
    pub touching: Vec<[usize; 2]>,
    /// The height of level ground, and the capsules that rest on it.
    pub ground: f64,
    pub grounded: Vec<usize>,
    /// The most that a contact holds sideways, as a part of its push.
    pub friction: f64,
    pub string: Option<Tie>,
    /// Seconds per step.
    pub time_step: f64,
}

impl<const N: usize> Mechanism<N> {
    /// A tree that touches nothing.
    pub fn new(tree: Tree<N>, time_step: f64) -> Mechanism<N> {
        Mechanism {
            tree,
            capsules: vec![],
            touching: vec![],
            ground: 0.0,
            grounded: vec![],
            friction: 1.0,
            string: None,
            time_step,
        }
    }

    /// One step from the coordinates `q` and velocities `v` under `force` on each.
    pub fn step(&self, q: &mut [f64; N], v: &mut [f64; N], force: &[f64; N]) {
        let (tree, h) = (&self.tree, self.time_step);
        let pose = tree.pose(q);
        let mut mass = tree.mass(&pose);
        let bias = tree.bias(&pose, v);
        let mut push = [0.0; N];
        for (i, link) in tree.links.iter().enumerate() {
            // The damping and the spring of the velocity that the step leads to.
            mass[i][i] += h * link.damping + h * h * link.stiffness;
            push[i] = force[i] - bias[i] - link.damping * v[i] - link.stiffness * (q[i] + h * v[i]);
        }
        let factor = Factor::new(mass);
        let mut acceleration = factor.solve(push);
        let rows = self.rows(&pose, q, v);
        if !rows.is_empty() {
            acceleration = constrained(&factor, acceleration, &rows);
        }
        for i in 0..N {
            v[i] += h * acceleration[i];
            q[i] += h * v[i];
        }
    }

    /// Whether anything that may touch overlaps.
    pub fn overlaps(&self, q: &[f64; N]) -> bool {
        let pose = self.tree.pose(q);
        self.contacts(&pose).any(|contact| contact.distance < 0.0)
    }

    fn contacts<'a>(&'a self, pose: &'a Pose<N>) -> impl Iterator<Item = Contact> + 'a {
        let pairs = (self.touching.iter())
            .map(|&[a, b]| meeting(pose, &self.capsules[a], &self.capsules[b]));
        let grounded =
            (self.grounded.iter()).flat_map(|&c| on_ground(pose, &self.capsules[c], self.ground));
        pairs.chain(grounded)
    }

    /// The constraints that act now.
    fn rows(&self, pose: &Pose<N>, q: &[f64; N], v: &[f64; N]) -> Vec<Row<N>> {
        let tree = &self.tree;
        let mut rows = vec![];
        let row = |gradient: [f64; N], distance: f64, bound: Bound| {
            let speed: f64 = gradient.iter().zip(v).map(|(g, v)| g * v).sum();
            let rate = 1.0 / RETURN_TIME;
            Row {
                gradient,
                wanted: -2.0 * rate * speed - rate * rate * distance,
                bound,
            }
        };
        for (i, link) in tree.links.iter().enumerate() {
            let along = |sign: f64| std::array::from_fn(|j| if i == j { sign } else { 0.0 });
            if let Some([low, high]) = link.limits {
                if q[i] < low {
                    rows.push(row(along(1.0), q[i] - low, Bound::Push));
                } else if q[i] > high {
                    rows.push(row(along(-1.0), high - q[i], Bound::Push));
                }
            }
            if link.friction > 0.0 {
                rows.push(row(along(1.0), 0.0, Bound::Most(link.friction)));
            }
        }
        let difference = |links: [Option<usize>; 2], at: [V2; 2], direction: V2| {
            let [a, b] = [0, 1].map(|i| tree.gradient(pose, links[i], at[i], direction));
            std::array::from_fn(|i| a[i] - b[i])
        };
        if let Some(Tie { ends, length: most }) = self.string {
            let at = ends.map(|(link, end)| pose.point(Some(link), end));
            let way = sub(at[1], at[0]);
            let long = length(way);
            if long > most {
                let links = ends.map(|(link, _)| Some(link));
                let pull = difference(links, at, scale(way, 1.0 / long));
                rows.push(row(pull, most - long, Bound::Push));
            }
        }
        for contact in self.contacts(pose).filter(|c| c.distance < 0.0) {
            let at = [contact.at; 2];
            let normal = difference(contact.links, at, contact.normal);
            rows.push(row(normal, contact.distance, Bound::Push));
            let across = difference(contact.links, at, left(contact.normal));
            rows.push(row(across, 0.0, Bound::Rubs(self.friction)));
        }
        rows
    }
}
