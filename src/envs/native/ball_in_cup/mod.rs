//! `native/ball_in_cup`: swing a ball on a string up and catch it in a cup.
//!
//! Geometry, masses, forces, time step, reward and beginning follow the DeepMind
//! Control suite's ball_in_cup catch (SPEC F.1); physics and contacts are our own
//! ([`planar`](super::planar): soft contacts without a bounce, dry friction of
//! [`FRICTION`] times their push), so scores are not comparable. 1,000 control steps of
//! 0.02 s an episode, an action repeat of 4, so 250 agent steps. A control step in which
//! the ball is in the cup is worth 1: a return of 1,000 at most, of which the first
//! throw costs some 30.

mod expert;

use bytemuck::{Pod, Zeroable};

use super::palette::Palette;
use super::planar::vector::{V2, add, length, scale, sub};
use super::planar::{Body, Capsule, Joint, Link, Mechanism, Tie, Tree, view};
use super::random::Stream;
use super::scene::{Camera, Ground, Primitive, SEGMENT_TASK, Shape, UPRIGHT, rod};
use super::vectorised::Task;

/// Seconds of a step of the physics, and how many make a control step.
const TIME_STEP: f64 = 0.002;
const SUBSTEPS: usize = 10;
const GRAVITY: f64 = 9.81;
/// Newton at a full action.
const FORCE: f64 = 5.0;
/// The cup hangs in springs and dampers about this height, in the middle.
const STIFFNESS: f64 = 20.0;
const DAMPING: f64 = 3.0;
const CUP_HEIGHT: f64 = 0.6;
/// Height of the ball at its coordinate 0.
const BALL_HEIGHT: f64 = 0.2;
const BALL_RADIUS: f64 = 0.025;
const CUP_RADIUS: f64 = 0.008;
/// The cup's outline, from rim to rim, about the middle of its opening.
const CUP: [V2; 6] = [
    [-0.05, 0.0],
    [-0.05, -0.075],
    [-0.025, -0.1],
    [0.025, -0.1],
    [0.05, -0.075],
    [0.05, 0.0],
];
/// Where the string is tied to the cup.
const KNOT: V2 = [0.0, -0.108];
const STRING: f64 = 0.3;
/// The middle of the room in the cup. The ball is caught while its centre is
/// within [`CAUGHT`] of it in x and in z.
const ROOM: V2 = [0.0, -0.05];
const CAUGHT: f64 = 0.05 - BALL_RADIUS;
/// Of contacts.
const FRICTION: f64 = 1.0;

const BALL_COLOUR: [f32; 3] = [0.85, 0.36, 0.13];
const STRING_COLOUR: [f32; 3] = [0.75, 0.75, 0.72];
/// Pieces in which the string is drawn, and how thick.
const PIECES: usize = 4;
const STRING_RADIUS: f64 = 0.004;

/// Where cup and ball are. Coordinates: the cup's way from where its springs hold it,
/// x and z; the ball's from the middle, 0.2 m above the ground.
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct BallInCupState {
    pub position: [f64; 4],
    pub velocity: [f64; 4],
}

impl BallInCupState {
    /// The middle of the cup's opening, x and z.
    pub fn cup(&self) -> V2 {
        [self.position[0], CUP_HEIGHT + self.position[1]]
    }

    /// The ball's centre, x and z.
    pub fn ball(&self) -> V2 {
        [self.position[2], BALL_HEIGHT + self.position[3]]
    }

    /// Whether the ball is between the walls of the cup.
    fn inside(&self) -> bool {
        let [aside, above] = sub(self.ball(), self.cup());
        aside.abs() < 0.03 && (-0.1..0.0).contains(&above)
    }

    fn caught(&self) -> bool {
        let way = sub(self.ball(), add(self.cup(), ROOM));
        way[0].abs() < CAUGHT && way[1].abs() < CAUGHT
    }
}

/// The task; see the module's head.
pub struct BallInCup {
    mechanism: Mechanism<4>,
    action_repeat: usize,
}

impl BallInCup {
    /// The id that selects it.
    pub const ID: &'static str = "native/ball_in_cup";

    /// Joules of motion, of height, and of the cup's springs.
    pub fn energy(&self, state: &BallInCupState) -> f64 {
        let hung = GRAVITY * CUP_HEIGHT;
        let tree = &self.mechanism.tree;
        let mass = tree.links[1].body.mass;
        tree.energy(&state.position, &state.velocity) - mass * hung
    }
}

fn mechanism() -> Mechanism<4> {
    let walls: Vec<Capsule> = (CUP.windows(2))
        .map(|ends| Capsule {
            link: Some(1),
            ends: [ends[0], ends[1]],
            radius: CUP_RADIUS,
        })
        .collect();
    let ball = Capsule {
        link: Some(3),
        ends: [[0.0; 2]; 2],
        radius: BALL_RADIUS,
    };
    let spring = |joint| Link {
        joint,
        stiffness: STIFFNESS,
        damping: DAMPING,
        ..Link::FREE
    };
    let links = [
        Link {
            anchor: [0.0, CUP_HEIGHT],
            ..spring(Joint::Slide([1.0, 0.0]))
        },
        Link {
            parent: Some(0),
            body: Body::of(&walls),
            ..spring(Joint::Slide([0.0, 1.0]))
        },
        Link {
            anchor: [0.0, BALL_HEIGHT],
            joint: Joint::Slide([1.0, 0.0]),
            ..Link::FREE
        },
        Link {
            parent: Some(2),
            joint: Joint::Slide([0.0, 1.0]),
            body: Body::of(&[ball]),
            ..Link::FREE
        },
    ];
    let gravity = GRAVITY;
    let ball_at = walls.len();
    Mechanism {
        touching: (0..ball_at).map(|wall| [wall, ball_at]).collect(),
        grounded: vec![ball_at],
        capsules: walls.into_iter().chain([ball]).collect(),
        friction: FRICTION,
        string: Some(Tie {
            ends: [(3, [0.0; 2]), (1, KNOT)],
            length: STRING,
        }),
        ..Mechanism::new(Tree { links, gravity }, TIME_STEP)
    }
}

impl Task for BallInCup {
    type State = BallInCupState;

    const ID: &'static str = BallInCup::ID;
    const ACTION_DIM: usize = 2;
    const CONTROL_STEPS: usize = 1000;
    const ACTION_REPEAT: usize = 4;
    const PARTS: &'static [&'static str] = &["cup", "ball", "string"];
    const COORDINATES: &'static [&'static str] = &[
        "cup_x",
        "cup_z",
        "ball_x",
        "ball_z",
        "cup_velocity_x",
        "cup_velocity_z",
        "ball_velocity_x",
        "ball_velocity_z",
    ];

    fn new(action_repeat: usize) -> BallInCup {
        BallInCup {
            mechanism: mechanism(),
            action_repeat,
        }
    }

    /// The cup at rest, the ball anywhere near it where it does not touch.
    fn start(&self, random: &mut Stream) -> BallInCupState {
        loop {
            let ball = [random.uniform(-0.2, 0.2), random.uniform(0.2, 0.5)];
            let position = [0.0, 0.0, ball[0], ball[1]];
            if !self.mechanism.overlaps(&position) {
                let velocity = [0.0; 4];
                return BallInCupState { position, velocity };
            }
        }
    }

    fn step(&self, state: &mut BallInCupState, action: &[f32]) -> f64 {
        let mut force = [0.0; 4];
        for (force, &action) in force.iter_mut().zip(action) {
            *force = FORCE * f64::from(action);
        }
        for _ in 0..SUBSTEPS {
            (self.mechanism).step(&mut state.position, &mut state.velocity, &force);
        }
        f64::from(state.caught())
    }

    /// Throws the ball up, catches it and holds still.
    fn expert(&self, state: &BallInCupState, action: &mut [f32]) {
        for (to, from) in action.iter_mut().zip(self.throw(state)) {
            *to = from;
        }
    }

    fn plausible(&self, state: &BallInCupState) -> bool {
        let within = |values: &[f64], bound: f64| values.iter().all(|x| x.abs() <= bound);
        within(&state.position, 2.0) && within(&state.velocity, 50.0)
    }

    fn coordinates(&self, state: &BallInCupState) -> Vec<f32> {
        ([state.cup(), state.ball()].iter().flatten())
            .chain(&state.velocity)
            .map(|&x| x as f32)
            .collect()
    }

    fn camera(&self, _: &BallInCupState) -> Camera {
        view::camera()
    }

    fn ground(&self, palette: &Palette) -> Ground {
        view::ground(palette)
    }

    fn primitives(&self, state: &BallInCupState, palette: &Palette) -> Vec<Primitive> {
        let cup = state.cup();
        let walls = (CUP.windows(2)).map(|ends| {
            let ends = [0, 1].map(|i| add(cup, ends[i]));
            rod(ends, 0.0, CUP_RADIUS, palette.body, SEGMENT_TASK)
        });
        let [x, z] = state.ball();
        let ball = Primitive {
            shape: Shape::Sphere {
                radius: BALL_RADIUS as f32,
            },
            position: [x as f32, 0.0, z as f32],
            rotation: UPRIGHT,
            colour: BALL_COLOUR,
            gloss: 0.5,
            segment: SEGMENT_TASK + 1,
        };
        let string = hanging(add(cup, KNOT), state.ball());
        let pieces = string.windows(2).map(|ends| {
            let ends = [ends[0], ends[1]];
            rod(ends, 0.0, STRING_RADIUS, STRING_COLOUR, SEGMENT_TASK + 2)
        });
        walls.chain([ball]).chain(pieces).collect()
    }
}

/// The string as it hangs from `a` to `b`: a parabola as long as it is.
fn hanging(a: V2, b: V2) -> [V2; PIECES + 1] {
    let shape = |sag: f64| -> [V2; PIECES + 1] {
        std::array::from_fn(|i| {
            let t = i as f64 / PIECES as f64;
            let straight = add(a, scale(sub(b, a), t));
            add(straight, [0.0, -4.0 * sag * t * (1.0 - t)])
        })
    };
    let (mut low, mut high) = (0.0, STRING);
    for _ in 0..20 {
        let sag = 0.5 * (low + high);
        let long: f64 = (shape(sag).windows(2))
            .map(|ends| length(sub(ends[1], ends[0])))
            .sum();
        *if long < STRING { &mut low } else { &mut high } = sag;
    }
    shape(low)
}
