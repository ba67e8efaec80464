//! `native/reach`: steer a ball on a table to a disc.
//!
//! The action is the velocity that the ball should have; it follows with a lag.
//! Ball and disc begin anywhere on the table. 100 control steps an episode, an
//! action repeat of 2, so 50 agent steps, and a return of 100 at most.

use bytemuck::{Pod, Zeroable};

use super::palette::Palette;
use super::random::Stream;
use super::scene::{Camera, Ground, Primitive, SEGMENT_TASK, Shape, UPRIGHT};
use super::tolerance::{Falloff, tolerance};
use super::vectorised::Task;

/// The ball and the disc stay within ± this in x and y.
const ARENA: f64 = 1.0;
/// The speed that a full action asks for along one axis, per control step.
const SPEED: f64 = 0.06;
/// How much of the way to the wanted velocity is made in one control step.
const RESPONSE: f64 = 0.5;
/// Within this distance the reward is 1.
const ARRIVED: f64 = 0.08;
/// At this distance beyond [`ARRIVED`] it is 0.1.
const MARGIN: f64 = 0.85;

const BALL_RADIUS: f32 = 0.21;
const DISC_RADIUS: f32 = 0.24;
const DISC_COLOUR: [f32; 3] = [0.15, 0.8, 0.35];

/// Where the ball and the disc are.
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct ReachState {
    /// The ball's x, y.
    pub position: [f64; 2],
    /// Its way in the last control step.
    pub velocity: [f64; 2],
    /// The disc's x, y.
    pub target: [f64; 2],
}

/// The task; see the module's head.
pub struct Reach {
    action_repeat: usize,
}

impl Reach {
    /// The id that selects it.
    pub const ID: &'static str = "native/reach";
}

impl Task for Reach {
    type State = ReachState;

    const ID: &'static str = Reach::ID;
    const ACTION_DIM: usize = 2;
    const CONTROL_STEPS: usize = 100;
    const ACTION_REPEAT: usize = 2;
    const PARTS: &'static [&'static str] = &["ball (body)", "disc (goal)"];
    const COORDINATES: &'static [&'static str] = &[
        "ball_x",
        "ball_y",
        "ball_velocity_x",
        "ball_velocity_y",
        "disc_x",
        "disc_y",
    ];

    fn new(action_repeat: usize) -> Reach {
        Reach { action_repeat }
    }

    fn start(&self, random: &mut Stream) -> ReachState {
        let mut place = || [(); 2].map(|()| random.uniform(-ARENA, ARENA));
        ReachState {
            position: place(),
            velocity: [0.0; 2],
            target: place(),
        }
    }

    fn step(&self, state: &mut ReachState, action: &[f32]) -> f64 {
        for (axis, &wanted) in action.iter().enumerate().take(2) {
            let velocity = &mut state.velocity[axis];
            *velocity += RESPONSE * (SPEED * f64::from(wanted) - *velocity);
            let free = state.position[axis] + *velocity;
            let kept = free.clamp(-ARENA, ARENA);
            if free != kept {
                *velocity = 0.0;
            }
            state.position[axis] = kept;
        }
        let [dx, dy] = [0, 1].map(|i| state.target[i] - state.position[i]);
        tolerance(dx.hypot(dy), ARRIVED, MARGIN, Falloff::Gaussian)
    }

    /// The action after which the ball, left alone, would come to rest on the
    /// disc; the nearest that is allowed where that is too far.
    fn expert(&self, state: &ReachState, action: &mut [f32]) {
        for (axis, action) in action.iter_mut().enumerate().take(2) {
            let coast = state.velocity[axis] * (1.0 - RESPONSE) / RESPONSE;
            let way = state.target[axis] - state.position[axis] - coast;
            *action = (way / (SPEED * self.action_repeat as f64)).clamp(-1.0, 1.0) as f32;
        }
    }

    fn plausible(&self, state: &ReachState) -> bool {
        let within = |v: &[f64; 2], bound: f64| v.iter().all(|x| x.abs() <= bound);
        within(&state.position, ARENA)
            && within(&state.target, ARENA)
            && within(&state.velocity, SPEED)
    }

    fn coordinates(&self, state: &ReachState) -> Vec<f32> {
        ([state.position, state.velocity, state.target]
            .iter()
            .flatten())
        .map(|&v| v as f32)
        .collect()
    }

    fn camera(&self, _: &ReachState) -> Camera {
        Camera::look_at([0.0, -2.2, 3.55], [0.0, -0.06, 0.0], 38.0)
    }

    fn ground(&self, palette: &Palette) -> Ground {
        let reach = ARENA as f32 + BALL_RADIUS;
        Ground {
            height: 0.0,
            half: [reach, reach],
            field: reach / 3.0,
            colours: palette.floor,
        }
    }

    fn primitives(&self, state: &ReachState, palette: &Palette) -> Vec<Primitive> {
        let at = |p: [f64; 2], z: f32| [p[0] as f32, p[1] as f32, z];
        vec![
            Primitive {
                shape: Shape::Sphere {
                    radius: BALL_RADIUS,
                },
                position: at(state.position, BALL_RADIUS),
                rotation: UPRIGHT,
                colour: palette.body,
                gloss: 0.5,
                segment: SEGMENT_TASK,
            },
            Primitive {
                shape: Shape::Cylinder {
                    radius: DISC_RADIUS,
                    half_length: 0.01,
                },
                position: at(state.target, 0.01),
                rotation: UPRIGHT,
                colour: DISC_COLOUR,
                gloss: 0.0,
                segment: SEGMENT_TASK + 1,
            },
        ]
    }
}
