//! `native/walker-stand` and `native/walker-walk`: a walker of seven bodies in a plane
//! stands up and stays so, or walks.
//!
//! Geometry, masses, torques, limits, time step, rewards and beginning follow the
//! DeepMind Control suite's walker stand and walk (SPEC F.1); physics and contacts are
//! our own ([`planar`](super::planar): the ends of every body rest softly on the floor,
//! without a bounce, with dry friction of [`FRICTION`] times their push; bodies pass
//! through each other, as there), so scores are not comparable. 1,000 control steps of
//! 0.025 s an episode, an action repeat of 4, so 250 agent steps.
//!
//! Reference returns: 1,000 at most, which what begins lying cannot quite reach. The
//! scripted expert only half gets up and does not walk: measured over 40 and 20 episodes,
//! 397 standing and 174 walking, where random actions get 144 and 46. Scores that are
//! normalised by it say how far an agent is beyond that, not how near to the best.

mod expert;

use std::f64::consts::PI;
use std::marker::PhantomData;

use bytemuck::{Pod, Zeroable};

use super::palette::Palette;
use super::planar::vector::V2;
use super::planar::{Body, Capsule, Joint, Link, Mechanism, Tree};
use super::random::Stream;
use super::scene::{Camera, Ground, Primitive, SEGMENT_TASK, rod};
use super::tolerance::{Falloff, tolerance};
use super::vectorised::Task;

/// Seconds of a step of the physics, and how many make a control step.
const TIME_STEP: f64 = 0.0025;
const SUBSTEPS: usize = 10;
const GRAVITY: f64 = 9.81;
/// The torso's middle at coordinate 0.
const HEIGHT: f64 = 1.3;
/// Newton metres at a full action: hip, knee, ankle.
const TORQUES: [f64; 3] = [100.0, 50.0, 20.0];
/// Newton metres against a radian per second, and the inertia of a joint's drive.
const DAMPING: f64 = 0.1;
const ARMATURE: f64 = 0.01;
/// Ranges of hip, knee and ankle, in degrees from right to up.
const BENDS: [[f64; 2]; 3] = [[-20.0, 100.0], [-150.0, 0.0], [-45.0, 45.0]];
/// Of contacts.
const FRICTION: f64 = 0.7;
/// Where the legs are, from the middle towards and away from the viewer.
const LEGS: f32 = 0.05;
/// The torso's height from which it stands.
const STANDING: f64 = 1.2;
/// Metres per second from which it walks.
const WALKING: f64 = 1.0;

/// Coordinates.
const N: usize = 9;
/// Of the links that have bodies: torso; thigh, shin and foot on the right, on the left.
const PARTS: [(usize, [V2; 2], f64); 7] = {
    const THIGH: ([V2; 2], f64) = ([[0.0, 0.0], [0.0, -0.45]], 0.05);
    const SHIN: ([V2; 2], f64) = ([[0.0, 0.0], [0.0, -0.5]], 0.04);
    const FOOT: ([V2; 2], f64) = ([[-0.04, 0.0], [0.16, 0.0]], 0.05);
    [
        (2, [[0.0, -0.3], [0.0, 0.3]], 0.07),
        (3, THIGH.0, THIGH.1),
        (4, SHIN.0, SHIN.1),
        (5, FOOT.0, FOOT.1),
        (6, THIGH.0, THIGH.1),
        (7, SHIN.0, SHIN.1),
        (8, FOOT.0, FOOT.1),
    ]
};

/// Coordinates: metres of the torso's middle above its height of standing straight and
/// to the right; radians, from right to up, of the torso and of hip, knee and ankle on
/// the right and on the left; and their speeds.
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct WalkerState {
    pub position: [f64; N],
    pub velocity: [f64; N],
}

impl WalkerState {
    /// Of the torso's middle, in metres.
    pub fn height(&self) -> f64 {
        HEIGHT + self.position[0]
    }

    /// The cosine of the torso's lean.
    pub fn upright(&self) -> f64 {
        self.position[2].cos()
    }

    /// What standing is worth, in [0, 1].
    fn standing(&self) -> f64 {
        let low = (STANDING - self.height()).max(0.0);
        let high = tolerance(low, 0.0, 0.5 * STANDING, Falloff::Gaussian);
        0.25 * (3.0 * high + 0.5 * (1.0 + self.upright()))
    }
}

/// What a walker is asked to do.
pub trait Goal: Send + 'static {
    /// The id that selects it.
    const ID: &'static str;
    /// Whether it should walk.
    const WALKS: bool;
}

/// `native/walker-stand`.
pub enum Stand {}

/// `native/walker-walk`.
pub enum Walk {}

impl Goal for Stand {
    const ID: &'static str = "native/walker-stand";
    const WALKS: bool = false;
}

impl Goal for Walk {
    const ID: &'static str = "native/walker-walk";
    const WALKS: bool = true;
}

/// The task; see the module's head.
pub struct Walker<G> {
    mechanism: Mechanism<N>,
    goal: PhantomData<fn() -> G>,
}

impl<G> Walker<G> {
    /// One control step.
    fn advance(&self, state: &mut WalkerState, action: &[f32]) {
        let mut force = [0.0; N];
        for (i, (force, &action)) in force[3..].iter_mut().zip(action).enumerate() {
            *force = TORQUES[i % 3] * f64::from(action);
        }
        for _ in 0..SUBSTEPS {
            (self.mechanism).step(&mut state.position, &mut state.velocity, &force);
        }
    }

    /// Joules of motion and of height above the floor.
    pub fn energy(&self, state: &WalkerState) -> f64 {
        (self.mechanism.tree).energy(&state.position, &state.velocity)
    }

    /// The velocity of the centre of mass to the right, in metres per second.
    pub fn speed(&self, state: &WalkerState) -> f64 {
        let tree = &self.mechanism.tree;
        let [_, velocity] = tree.centre(&tree.pose(&state.position), &state.velocity);
        velocity[0]
    }
}

fn mechanism() -> Mechanism<N> {
    let capsules = PARTS.map(|(link, ends, radius)| Capsule {
        link: Some(link),
        ends,
        radius,
    });
    let root = |parent, anchor, joint| Link {
        parent,
        anchor,
        joint,
        ..Link::FREE
    };
    let leg = |i: usize| {
        let (joint, body) = ((i - 3) % 3, &capsules[i - 2..i - 1]);
        let (parent, anchor) = match joint {
            0 => (2, [0.0, -0.3]),
            1 => (i - 1, [0.0, -0.45]),
            _ => (i - 1, [0.0, -0.5]),
        };
        Link {
            body: Body::of(body),
            damping: DAMPING,
            armature: ARMATURE,
            limits: Some(BENDS[joint].map(f64::to_radians)),
            ..root(Some(parent), anchor, Joint::Hinge)
        }
    };
    let links = std::array::from_fn(|i| match i {
        0 => root(None, [0.0, HEIGHT], Joint::Slide([0.0, 1.0])),
        1 => root(Some(0), [0.0; 2], Joint::Slide([1.0, 0.0])),
        2 => Link {
            body: Body::of(&capsules[..1]),
            ..root(Some(1), [0.0; 2], Joint::Hinge)
        },
        _ => leg(i),
    });
    let gravity = GRAVITY;
    Mechanism {
        capsules: capsules.to_vec(),
        grounded: (0..capsules.len()).collect(),
        friction: FRICTION,
        ..Mechanism::new(Tree { links, gravity }, TIME_STEP)
    }
}

impl<G: Goal> Task for Walker<G> {
    type State = WalkerState;

    const ID: &'static str = G::ID;
    const ACTION_DIM: usize = 6;
    const CONTROL_STEPS: usize = 1000;
    const ACTION_REPEAT: usize = 4;
    const PARTS: &'static [&'static str] = &["torso", "near leg", "far leg"];
    const COORDINATES: &'static [&'static str] = &[
        "torso_height",
        "torso_cosine",
        "torso_sine",
        "right_hip",
        "right_knee",
        "right_ankle",
        "left_hip",
        "left_knee",
        "left_ankle",
        "velocity_z",
        "velocity_x",
        "torso_speed",
        "right_hip_speed",
        "right_knee_speed",
        "right_ankle_speed",
        "left_hip_speed",
        "left_knee_speed",
        "left_ankle_speed",
    ];

    fn new(_: usize) -> Walker<G> {
        Walker {
            mechanism: mechanism(),
            goal: PhantomData,
        }
    }

    /// At rest in the air, every joint anywhere in its range and the torso at any angle.
    fn start(&self, random: &mut Stream) -> WalkerState {
        let mut position = [0.0; N];
        position[2] = random.uniform(-PI, PI);
        for (q, link) in position.iter_mut().zip(&self.mechanism.tree.links) {
            if let Some([low, high]) = link.limits {
                *q = random.uniform(low, high);
            }
        }
        WalkerState {
            position,
            velocity: [0.0; N],
        }
    }

    fn step(&self, state: &mut WalkerState, action: &[f32]) -> f64 {
        self.advance(state, action);
        let standing = state.standing();
        if !G::WALKS {
            return standing;
        }
        let slow = (WALKING - self.speed(state)).max(0.0);
        let walking = tolerance(slow, 0.0, 0.5 * WALKING, Falloff::Linear);
        standing * (5.0 * walking + 1.0) / 6.0
    }

    /// Gets up and stays so, or tries to. It does not walk.
    fn expert(&self, state: &WalkerState, action: &mut [f32]) {
        for (to, from) in action.iter_mut().zip(expert::standing(state)) {
            *to = from;
        }
    }

    fn plausible(&self, state: &WalkerState) -> bool {
        let [z, x, lean, joints @ ..] = &state.position;
        let limits = self.mechanism.tree.links[3..].iter();
        let bent = (joints.iter().zip(limits.filter_map(|link| link.limits)))
            .all(|(q, [low, high])| (low - 1.0..high + 1.0).contains(q));
        bent && (-3.0..100.0).contains(z)
            && x.abs() < 1e5
            && lean.is_finite()
            && state.velocity.iter().all(|v| v.abs() < 1e4)
    }

    fn coordinates(&self, state: &WalkerState) -> Vec<f32> {
        let [_, _, lean, joints @ ..] = &state.position;
        ([state.height(), lean.cos(), lean.sin()].iter())
            .chain(joints)
            .chain(&state.velocity)
            .map(|&x| x as f32)
            .collect()
    }

    /// It goes with the centre of mass.
    fn camera(&self, state: &WalkerState) -> Camera {
        let tree = &self.mechanism.tree;
        let pose = tree.pose(&state.position);
        let [x, z] = tree.centre(&pose, &state.velocity)[0].map(|c| c as f32);
        let eye = [x, -2.0, z + 1.23];
        Camera::look_at(eye, [x, -1.0, eye[2] - 0.577], 45.0)
    }

    fn ground(&self, palette: &Palette) -> Ground {
        Ground {
            height: 0.0,
            half: [1e4, 1.0],
            field: 0.8,
            colours: palette.floor,
        }
    }

    fn primitives(&self, state: &WalkerState, palette: &Palette) -> Vec<Primitive> {
        let pose = self.mechanism.tree.pose(&state.position);
        let part = |(i, (link, ends, radius)): (usize, (usize, [V2; 2], f64))| {
            let (y, segment) = match i {
                0 => (0.0, SEGMENT_TASK),
                1..=3 => (-LEGS, SEGMENT_TASK + 1),
                _ => (LEGS, SEGMENT_TASK + 2),
            };
            let ends = ends.map(|end| pose.point(Some(link), end));
            rod(ends, y, radius, palette.body, segment)
        };
        PARTS.into_iter().enumerate().map(part).collect()
    }
}
