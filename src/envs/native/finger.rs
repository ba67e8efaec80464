//! `native/finger`: keep a spinner spinning with a finger of two links.
//!
//! Geometry, masses, torques, control step, reward and beginning follow the DeepMind
//! Control suite's finger spin (SPEC F.1; the discs that mark its axles are drawn and
//! weigh nothing here); physics (in steps of 5 ms, half as long as there) and contacts are our own ([`planar`](super::planar): soft
//! contacts of the fingertip without a bounce, dry friction of [`FRICTION`] times their
//! push), and as they give the spinner less at each stroke, its axle is better oiled
//! ([`AXLE_FRICTION`], [`AXLE_DAMPING`]; 0.1 and 0.03 there). Scores are not comparable.
//!
//! 1,000 control steps of 0.02 s an episode, an action repeat of 2 as in the starred rows
//! of the paper's tables (4 in the others: SPEC A.2, F.1), so 500 agent steps. A control step after which the spinner turns right
//! at [`SPINNING`] or faster is worth 1: a return of 1,000 at most.

use std::f64::consts::PI;

use bytemuck::{Pod, Zeroable};

use super::palette::Palette;
use super::planar::vector::V2;
use super::planar::{Body, Capsule, Joint, Link, Mechanism, Tree, view};
use super::random::Stream;
use super::scene::{Camera, Ground, Primitive, SEGMENT_TASK, Shape, rod, turn};
use super::vectorised::Task;

/// Seconds of a step of the physics, and how many make a control step.
const TIME_STEP: f64 = 0.005;
const SUBSTEPS: usize = 4;
/// Where finger and spinner are hinged, x and z.
const KNUCKLE: V2 = [-0.2, 0.4];
const AXLE: V2 = [0.2, 0.4];
/// From the knuckle to the hinge between the links.
const PROXIMAL: f64 = 0.18;
/// Newton metres at a full action, and those against a radian per second.
const TORQUES: [f64; 2] = [30.0, 15.0];
const DAMPING: f64 = 2.5;
/// Both joints of the finger bend to ± this.
const BEND: f64 = 110.0 / 180.0 * PI;
/// Dry and viscous friction of the spinner's axle.
const AXLE_FRICTION: f64 = 0.05;
const AXLE_DAMPING: f64 = 0.01;
/// Of contacts.
const FRICTION: f64 = 1.0;
/// Radians per second, to the right, from which the spinner is said to spin.
pub const SPINNING: f64 = 15.0;

const TIP_COLOUR: [f32; 3] = [0.85, 0.36, 0.13];
const AXLE_COLOUR: [f32; 3] = [0.3, 0.5, 0.75];

/// The capsules in the frames of their links: both links of the finger, its tip, and
/// the two halves of the spinner.
const CAPSULES: [Capsule; 5] = {
    const fn capsule(link: usize, ends: [V2; 2], radius: f64) -> Capsule {
        Capsule {
            link: Some(link),
            ends,
            radius,
        }
    }
    [
        capsule(0, [[0.0, 0.0], [0.17, 0.0]], 0.03),
        capsule(1, [[0.0, 0.0], [0.16, 0.0]], 0.028),
        capsule(1, [[0.13, 0.0], [0.161, 0.0]], 0.03),
        capsule(2, [[0.02, -0.09], [0.02, 0.09]], 0.04),
        capsule(2, [[-0.02, -0.09], [-0.02, 0.09]], 0.04),
    ]
};

/// Angles, radians from right to up, and their speeds: of the first link, of the
/// second against the first, of the spinner from upright (not wrapped).
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct FingerState {
    pub position: [f64; 3],
    pub velocity: [f64; 3],
}

/// The expert's strokes: control steps of the first of two actions, of the second, and
/// how far it looks ahead; a speed beyond [`FAST`] times [`SPINNING`] is no better to it.
const STROKE: [usize; 2] = [4, 8];
const FORESIGHT: usize = 32;
const FAST: f64 = 5.0 / 3.0;

/// The task; see the module's head.
pub struct Finger {
    mechanism: Mechanism<3>,
}

impl Finger {
    /// The id that selects it.
    pub const ID: &'static str = "native/finger";

    /// Joules of motion.
    pub fn energy(&self, state: &FingerState) -> f64 {
        (self.mechanism.tree).energy(&state.position, &state.velocity)
    }
}

impl Finger {
    /// How fast the spinner is, and how often fast enough, during and after a stroke.
    fn worth(&self, state: &FingerState, stroke: [[f32; 2]; 2]) -> f64 {
        let mut state = *state;
        (0..FORESIGHT)
            .map(|step| {
                let action = match step {
                    _ if step < STROKE[0] => stroke[0],
                    _ if step < STROKE[0] + STROKE[1] => stroke[1],
                    _ => [0.0; 2],
                };
                let reward = self.step(&mut state, &action);
                reward + (-state.velocity[2] / SPINNING).min(FAST)
            })
            .sum()
    }
}

fn mechanism() -> Mechanism<3> {
    let joint = |parent, anchor, capsules: &[Capsule]| Link {
        parent,
        anchor,
        joint: Joint::Hinge,
        body: Body::of(capsules),
        damping: DAMPING,
        limits: Some([-BEND, BEND]),
        ..Link::FREE
    };
    let links = [
        joint(None, KNUCKLE, &CAPSULES[..1]),
        joint(Some(0), [PROXIMAL, 0.0], &CAPSULES[1..3]),
        Link {
            damping: AXLE_DAMPING,
            friction: AXLE_FRICTION,
            limits: None,
            ..joint(None, AXLE, &CAPSULES[3..])
        },
    ];
    Mechanism {
        capsules: CAPSULES.to_vec(),
        touching: vec![[2, 3], [2, 4]],
        friction: FRICTION,
        ..Mechanism::new(
            Tree {
                links,
                gravity: 0.0,
            },
            TIME_STEP,
        )
    }
}

impl Task for Finger {
    type State = FingerState;

    const ID: &'static str = Finger::ID;
    const ACTION_DIM: usize = 2;
    const CONTROL_STEPS: usize = 1000;
    const ACTION_REPEAT: usize = 2;
    const PARTS: &'static [&'static str] = &["finger", "spinner"];
    const COORDINATES: &'static [&'static str] = &[
        "knuckle_cosine",
        "knuckle_sine",
        "joint_cosine",
        "joint_sine",
        "spinner_cosine",
        "spinner_sine",
        "knuckle_speed",
        "joint_speed",
        "spinner_speed",
    ];

    fn new(_: usize) -> Finger {
        Finger {
            mechanism: mechanism(),
        }
    }

    /// At rest, every angle anywhere in its range where nothing touches.
    fn start(&self, random: &mut Stream) -> FingerState {
        loop {
            let position = [BEND, BEND, PI].map(|most| random.uniform(-most, most));
            if !self.mechanism.overlaps(&position) {
                let velocity = [0.0; 3];
                return FingerState { position, velocity };
            }
        }
    }

    fn step(&self, state: &mut FingerState, action: &[f32]) -> f64 {
        let mut force = [0.0; 3];
        for ((force, torque), &action) in force.iter_mut().zip(TORQUES).zip(action) {
            *force = torque * f64::from(action);
        }
        for _ in 0..SUBSTEPS {
            (self.mechanism).step(&mut state.position, &mut state.velocity, &force);
        }
        f64::from(state.velocity[2] <= -SPINNING)
    }

    /// Tries every pair of torques, none or full ones, one after the other, and begins
    /// the pair that keeps the spinner fastest.
    fn expert(&self, state: &FingerState, action: &mut [f32]) {
        const SIDES: [f32; 3] = [-1.0, 0.0, 1.0];
        let torques = SIDES.map(|second| SIDES.map(|first| [first, second]));
        let mut best = (f64::NEG_INFINITY, [0.0; 2]);
        for first in torques.as_flattened() {
            for then in torques.as_flattened() {
                let worth = self.worth(state, [*first, *then]);
                if worth > best.0 {
                    best = (worth, *first);
                }
            }
        }
        for (to, from) in action.iter_mut().zip(best.1) {
            *to = from;
        }
    }

    fn plausible(&self, state: &FingerState) -> bool {
        let [a, b, c] = state.position;
        a.abs() < 2.0 * BEND
            && b.abs() < 2.0 * BEND
            && c.is_finite()
            && state.velocity.iter().all(|v| v.abs() < 1e4)
    }

    fn coordinates(&self, state: &FingerState) -> Vec<f32> {
        (state.position.iter())
            .flat_map(|angle| [angle.cos(), angle.sin()])
            .chain(state.velocity)
            .map(|x| x as f32)
            .collect()
    }

    fn camera(&self, _: &FingerState) -> Camera {
        view::camera()
    }

    fn ground(&self, palette: &Palette) -> Ground {
        view::ground(palette)
    }

    fn primitives(&self, state: &FingerState, palette: &Palette) -> Vec<Primitive> {
        let pose = self.mechanism.tree.pose(&state.position);
        let [finger, spinner] = [SEGMENT_TASK, SEGMENT_TASK + 1];
        let looks = [
            (palette.body, finger),
            (palette.body, finger),
            (TIP_COLOUR, finger),
            (palette.body, spinner),
            (palette.body, spinner),
        ];
        let parts = (CAPSULES.iter().zip(looks)).map(|(capsule, (colour, segment))| {
            let ends = capsule.ends.map(|end| pose.point(capsule.link, end));
            rod(ends, 0.0, capsule.radius, colour, segment)
        });
        let axle = |at: V2, radius, half_length, segment| Primitive {
            shape: Shape::Cylinder {
                radius,
                half_length,
            },
            position: [at[0] as f32, 0.0, at[1] as f32],
            rotation: turn([1.0, 0.0, 0.0], std::f32::consts::FRAC_PI_2),
            colour: AXLE_COLOUR,
            gloss: 0.3,
            segment,
        };
        let axles = [
            axle(KNUCKLE, 0.034, 0.033, finger),
            axle(AXLE, 0.02, 0.045, spinner),
        ];
        parts.chain(axles).collect()
    }
}
