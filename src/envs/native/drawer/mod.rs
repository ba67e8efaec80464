//! `native/drawer`: open a drawer by its handle, with an arm of two links.
//!
//! A task like Meta-World's drawer-open (SPEC F.3) in a plane and of our own making:
//! an arm seen from the side hooks its fingertip behind a handle and pulls. Its rate of
//! control, its length and the form of its reward are those of the original; scores are
//! not comparable. Physics: [`planar`](super::planar), soft contacts without a bounce,
//! dry friction of [`FRICTION`] times their push; the arm is balanced (no gravity). Where
//! the cabinet stands, how high the drawer is, how far it is open and how the arm is
//! bent is drawn for each episode.
//!
//! 500 control steps of 0.0125 s an episode, an action repeat of 4, so 125 agent steps.
//! The reward is the mean of how near the fingertip is to where it hooks and how near
//! the drawer is to open: a return of 500 at most.

mod picture;

use bytemuck::{Pod, Zeroable};

use super::palette::Palette;
use super::planar::vector::{V2, add, left, length, scale, sub};
use super::planar::{Body, Capsule, Joint, Link, Mechanism, Tree};
use super::random::Stream;
use super::scene::{Camera, Ground, Primitive};
use super::tolerance::{Falloff, tolerance};
use super::vectorised::Task;

/// Seconds of a step of the physics, and how many make a control step.
const TIME_STEP: f64 = 0.0025;
const SUBSTEPS: usize = 5;
/// Where the arm is hinged, x and z.
const SHOULDER: V2 = [-0.28, 0.55];
/// The links from hinge to hinge, and from the elbow to the fingertip.
const ARM: [f64; 2] = [0.34, 0.32];
const ARM_RADII: [f64; 2] = [0.028, 0.02];
const TIP_RADIUS: f64 = 0.022;
/// The joints' ranges in radians, from right to up: the elbow stays above the hand.
const BENDS: [[f64; 2]; 2] = [[-1.2, 1.6], [-2.7, -0.15]];
/// Newton metres at a full action, and those against a radian per second.
const TORQUES: [f64; 2] = [12.0, 12.0];
const DAMPING: f64 = 4.0;
/// The drawer slides this far, against dry and viscous friction.
const TRAVEL: f64 = 0.2;
const DRAWER_MASS: f64 = 1.0;
const DRAWER_FRICTION: f64 = 2.0;
const DRAWER_DAMPING: f64 = 4.0;
/// It is open within [`CLOSE`] of this.
const OPEN: f64 = 0.16;
const CLOSE: f64 = 0.02;
/// The handle: an upright bar on a stalk that stands out of the drawer's front.
const STALK: f64 = 0.08;
const BAR: f64 = 0.06;
const HANDLE_RADIUS: f64 = 0.011;
/// Where the fingertip hooks, from the middle of the bar.
const HOOK: V2 = [0.04, 0.045];
/// Half extents of the drawer and the cabinet, along x and z.
const DRAWER: V2 = [0.12, 0.07];
const CABINET: V2 = [0.14, 0.19];
const PANEL: f64 = 0.01;
/// Of contacts.
const FRICTION: f64 = 0.5;

/// Coordinates: radians of the shoulder from right to up and of the elbow against it,
/// metres that the drawer is open; and their speeds.
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct DrawerState {
    pub position: [f64; 3],
    pub velocity: [f64; 3],
    /// Where the middle of the handle's bar is while the drawer is closed, x and z.
    pub handle: V2,
}

/// The task; see the module's head.
pub struct Drawer {
    /// With the closed handle at the origin.
    mechanism: Mechanism<3>,
    action_repeat: usize,
}

impl Drawer {
    /// The id that selects it.
    pub const ID: &'static str = "native/drawer";

    /// Joules of motion.
    pub fn energy(&self, state: &DrawerState) -> f64 {
        (self.mechanism.tree).energy(&state.position, &state.velocity)
    }

    /// Where the fingertip is, and how it moves.
    pub fn tip(&self, state: &DrawerState) -> [V2; 2] {
        let tree = &self.placed(state).tree;
        let pose = tree.pose(&state.position);
        let at = pose.point(Some(1), [ARM[1], 0.0]);
        [at, tree.velocity(&pose, &state.velocity, 1, at)]
    }

    /// The mechanism with the drawer where it stands in this episode.
    fn placed(&self, state: &DrawerState) -> Mechanism<3> {
        let mut placed = self.mechanism.clone();
        placed.tree.links[2].anchor = state.handle;
        for capsule in placed.capsules.iter_mut().filter(|c| c.link.is_none()) {
            capsule.ends = capsule.ends.map(|end| add(end, state.handle));
        }
        placed
    }
}

impl DrawerState {
    /// Where the fingertip hooks, x and z.
    pub fn hook(&self) -> V2 {
        add(self.bar(), HOOK)
    }

    /// The middle of the handle's bar.
    fn bar(&self) -> V2 {
        sub(self.handle, [self.position[2], 0.0])
    }
}

/// The parts that touch: of the arm, of the drawer, of the cabinet.
fn capsules() -> Vec<Capsule> {
    let capsule = |link, ends, radius| Capsule { link, ends, radius };
    let front = STALK;
    // The cabinet's upper edge above the middle of the drawer.
    let top = CABINET[1];
    let (back, behind) = (front + 2.0 * DRAWER[0], front + 2.0 * PANEL);
    vec![
        capsule(Some(0), [[0.0, 0.0], [ARM[0], 0.0]], ARM_RADII[0]),
        capsule(Some(1), [[0.0, 0.0], [ARM[1], 0.0]], ARM_RADII[1]),
        capsule(Some(1), [[ARM[1], 0.0]; 2], TIP_RADIUS),
        capsule(Some(2), [[0.0, -BAR], [0.0, BAR]], HANDLE_RADIUS),
        capsule(Some(2), [[0.0, 0.0], [front, 0.0]], HANDLE_RADIUS),
        capsule(
            Some(2),
            [[front + PANEL, -DRAWER[1]], [front + PANEL, DRAWER[1]]],
            PANEL,
        ),
        capsule(
            Some(2),
            [
                [front + PANEL, DRAWER[1] - PANEL],
                [back, DRAWER[1] - PANEL],
            ],
            PANEL,
        ),
        capsule(
            None,
            [[behind + PANEL, DRAWER[1]], [behind + PANEL, top - PANEL]],
            PANEL,
        ),
        capsule(
            None,
            [
                [behind + PANEL, top - PANEL],
                [behind + 2.0 * CABINET[0], top - PANEL],
            ],
            PANEL,
        ),
    ]
}

fn mechanism() -> Mechanism<3> {
    let capsules = capsules();
    let joint = |i: usize, anchor, bodies: &[Capsule]| Link {
        parent: i.checked_sub(1),
        anchor,
        joint: Joint::Hinge,
        body: Body::of(bodies),
        damping: DAMPING,
        limits: Some(BENDS[i]),
        ..Link::FREE
    };
    let links = [
        joint(0, SHOULDER, &capsules[..1]),
        joint(1, [ARM[0], 0.0], &capsules[1..3]),
        Link {
            joint: Joint::Slide([-1.0, 0.0]),
            body: Body {
                mass: DRAWER_MASS,
                ..Body::default()
            },
            damping: DRAWER_DAMPING,
            friction: DRAWER_FRICTION,
            limits: Some([0.0, TRAVEL]),
            ..Link::FREE
        },
    ];
    Mechanism {
        // Upper arm, forearm and fingertip with the drawer and the cabinet.
        touching: (0..3)
            .flat_map(|arm| (3..9).map(move |thing| [arm, thing]))
            .collect(),
        grounded: vec![0, 1, 2],
        capsules,
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

impl Task for Drawer {
    type State = DrawerState;

    const ID: &'static str = Drawer::ID;
    const ACTION_DIM: usize = 2;
    const CONTROL_STEPS: usize = 500;
    const ACTION_REPEAT: usize = 4;
    const PARTS: &'static [&'static str] = &["arm", "drawer"];
    const COORDINATES: &'static [&'static str] = &[
        "shoulder_cosine",
        "shoulder_sine",
        "elbow_cosine",
        "elbow_sine",
        "opening",
        "handle_x",
        "handle_z",
        "shoulder_speed",
        "elbow_speed",
        "opening_speed",
    ];

    fn new(action_repeat: usize) -> Drawer {
        Drawer {
            mechanism: mechanism(),
            action_repeat,
        }
    }

    /// At rest, the arm bent anyhow where it does not touch, the drawer nearly closed.
    fn start(&self, random: &mut Stream) -> DrawerState {
        let handle = [random.uniform(0.09, 0.15), random.uniform(0.15, 0.22)];
        let opening = random.uniform(0.0, 0.03);
        loop {
            let bends = [random.uniform(-0.4, 1.2), random.uniform(-2.5, -0.8)];
            let state = DrawerState {
                position: [bends[0], bends[1], opening],
                velocity: [0.0; 3],
                handle,
            };
            if !self.placed(&state).overlaps(&state.position) {
                return state;
            }
        }
    }

    fn step(&self, state: &mut DrawerState, action: &[f32]) -> f64 {
        let mechanism = self.placed(state);
        let mut force = [0.0; 3];
        for ((force, torque), &action) in force.iter_mut().zip(TORQUES).zip(action) {
            *force = torque * f64::from(action);
        }
        for _ in 0..SUBSTEPS {
            mechanism.step(&mut state.position, &mut state.velocity, &force);
        }
        let away = length(sub(self.tip(state)[0], state.hook()));
        let near = tolerance(away, 0.02, 0.3, Falloff::LongTail);
        let shut = (OPEN - state.position[2]).max(0.0);
        let open = tolerance(shut, CLOSE, OPEN, Falloff::LongTail);
        0.5 * (near + open)
    }

    /// Moves the fingertip over the handle, down behind the bar, and back with it.
    fn expert(&self, state: &DrawerState, action: &mut [f32]) {
        let ([tip, velocity], hook) = (self.tip(state), state.hook());
        let above = hook[1] + 0.1;
        let from_hook = sub(tip, hook);
        let over = from_hook[0].abs() < 0.012;
        let target = if from_hook[0].abs() < 0.03 && from_hook[1] < 0.015 {
            // Hooked: pull until it is open, then stay.
            let pull = if state.position[2] < OPEN { 0.12 } else { 0.01 };
            [hook[0] - pull, hook[1]]
        } else if over {
            hook
        } else if tip[1] < hook[1] + 0.06 {
            // Up first, where the handle is in the way.
            [tip[0].min(hook[0]), above]
        } else {
            [hook[0], above]
        };
        // The joints' speeds that bring it there in the time that an action takes and the
        // arm needs to follow, then torques that hold these speeds against the damping.
        let hold = TIME_STEP * (SUBSTEPS * self.action_repeat) as f64;
        let wanted = sub(
            scale(sub(target, tip), 1.0 / (hold + 0.06)),
            scale(velocity, 0.1),
        );
        let pose = self.mechanism.tree.pose(&state.position);
        let [first, second] = [0, 1].map(|joint| left(sub(tip, pose.origin[joint])));
        let area = first[0] * second[1] - first[1] * second[0];
        let speeds = [
            (wanted[0] * second[1] - wanted[1] * second[0]) / area,
            (first[0] * wanted[1] - first[1] * wanted[0]) / area,
        ];
        for ((action, torque), speed) in action.iter_mut().zip(TORQUES).zip(speeds) {
            *action = (DAMPING * speed / torque).clamp(-1.0, 1.0) as f32;
        }
    }

    fn plausible(&self, state: &DrawerState) -> bool {
        let bent = (state.position.iter().zip(BENDS))
            .all(|(q, [low, high])| (low - 1.0..high + 1.0).contains(q));
        let opening = state.position[2];
        bent && (-TRAVEL..2.0 * TRAVEL).contains(&opening)
            && state.velocity.iter().all(|v| v.abs() < 1e3)
            && state.handle.iter().all(|x| (0.0..0.3).contains(x))
    }

    fn coordinates(&self, state: &DrawerState) -> Vec<f32> {
        let [shoulder, elbow, opening] = state.position;
        ([shoulder, elbow].iter().flat_map(|a| [a.cos(), a.sin()]))
            .chain([opening])
            .chain(state.handle)
            .chain(state.velocity)
            .map(|x| x as f32)
            .collect()
    }

    fn camera(&self, _: &DrawerState) -> Camera {
        Camera::look_at([0.03, -1.25, 0.8], [0.03, 0.0, 0.4], 45.0)
    }

    fn ground(&self, palette: &Palette) -> Ground {
        Ground {
            height: 0.0,
            half: [0.6, 0.32],
            field: 0.3,
            colours: palette.floor,
        }
    }

    fn primitives(&self, state: &DrawerState, palette: &Palette) -> Vec<Primitive> {
        picture::primitives(&self.placed(state), state, palette)
    }
}
