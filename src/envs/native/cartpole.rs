//! `native/cartpole`: swing a pole up from hanging and balance it.
//!
//! Geometry, masses, time step and reward follow the DeepMind Control suite's
//! cartpole swingup (SPEC F.1); the physics is our own closed form and the end
//! of the rail is a dead stop, so scores are not comparable. 1,000 control steps
//! of 0.01 s an episode, an action repeat of 8, so 125 agent steps, and a return
//! of 1,000 at most.

use std::f64::consts::PI;

use bytemuck::{Pod, Zeroable};

use super::palette::Palette;
use super::random::Stream;
use super::scene::{Camera, Ground, Primitive, SEGMENT_FLOOR, SEGMENT_TASK, Shape, UPRIGHT, turn};
use super::tolerance::{Falloff, tolerance};
use super::vectorised::Task;

/// Seconds per control step.
const TIME_STEP: f64 = 0.01;
const GRAVITY: f64 = 9.81;
const CART_MASS: f64 = 1.0;
const POLE_MASS: f64 = 0.1;
/// From the hinge to the pole's centre of mass.
const HALF_LENGTH: f64 = 0.5;
const POLE_RADIUS: f64 = 0.045;
/// Newton at a full action.
const FORCE: f64 = 10.0;
const CART_DAMPING: f64 = 5e-4;
const HINGE_DAMPING: f64 = 2e-6;
/// The cart stops at ± this.
const RAIL: f64 = 1.8;

/// The pole's moment of inertia about the hinge: a solid capsule whose straight
/// part is one metre.
const HINGE_INERTIA: f64 = {
    let (r, h) = (POLE_RADIUS, HALF_LENGTH);
    let straight = 2.0 * h * r * r;
    let caps = 4.0 / 3.0 * r * r * r;
    let density = POLE_MASS / (straight + caps);
    let of_straight = straight * (h * h / 3.0 + r * r / 4.0);
    let of_caps = caps * (2.0 * r * r / 5.0 + h * h + 3.0 * h * r / 4.0);
    density * (of_straight + of_caps) + POLE_MASS * h * h
};

/// Where cart and pole are.
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct CartpoleState {
    /// Metres from the middle of the rail, and metres per second.
    pub position: f64,
    pub velocity: f64,
    /// Radians from upright, positive to the right; not wrapped. And per second.
    pub angle: f64,
    pub spin: f64,
}

impl CartpoleState {
    fn array(&self) -> [f64; 4] {
        [self.position, self.velocity, self.angle, self.spin]
    }

    fn from_array([position, velocity, angle, spin]: [f64; 4]) -> CartpoleState {
        CartpoleState {
            position,
            velocity,
            angle,
            spin,
        }
    }

    /// Joules of the pole, as if the cart stood still; 0 when it stands upright.
    pub fn pole_energy(&self) -> f64 {
        0.5 * HINGE_INERTIA * self.spin * self.spin
            + POLE_MASS * GRAVITY * HALF_LENGTH * (self.angle.cos() - 1.0)
    }

    /// Joules of cart and pole together; 0 when all stands still, upright.
    pub fn energy(&self) -> f64 {
        let coupling = POLE_MASS * HALF_LENGTH * self.angle.cos();
        0.5 * (CART_MASS + POLE_MASS) * self.velocity * self.velocity
            + coupling * self.velocity * self.spin
            + self.pole_energy()
    }
}

/// The task; see the module's head.
pub struct Cartpole {
    /// Feedback that balances: force = −gain · (position, velocity, angle, spin).
    gain: [f64; 4],
}

impl Cartpole {
    /// The id that selects it.
    pub const ID: &'static str = "native/cartpole";
}

/// The derivatives of (position, velocity, angle, spin) under `force`, from
/// Lagrange's equations of the two joints.
fn derivatives([_, velocity, angle, spin]: [f64; 4], force: f64) -> [f64; 4] {
    let (sin, cos) = angle.sin_cos();
    let moment = POLE_MASS * HALF_LENGTH;
    let mass = CART_MASS + POLE_MASS;
    let push = force - CART_DAMPING * velocity + moment * spin * spin * sin;
    let torque = moment * GRAVITY * sin - HINGE_DAMPING * spin;
    let determinant = mass * HINGE_INERTIA - (moment * cos) * (moment * cos);
    [
        velocity,
        (HINGE_INERTIA * push - moment * cos * torque) / determinant,
        spin,
        (mass * torque - moment * cos * push) / determinant,
    ]
}

/// One control step: Runge and Kutta's fourth order, then the stop of the rail.
fn advance(state: &CartpoleState, force: f64) -> CartpoleState {
    let s = state.array();
    let along = |k: [f64; 4], h: f64| -> [f64; 4] { std::array::from_fn(|i| s[i] + h * k[i]) };
    let a = derivatives(s, force);
    let b = derivatives(along(a, 0.5 * TIME_STEP), force);
    let c = derivatives(along(b, 0.5 * TIME_STEP), force);
    let d = derivatives(along(c, TIME_STEP), force);
    let mean = std::array::from_fn(|i| (a[i] + 2.0 * b[i] + 2.0 * c[i] + d[i]) / 6.0);
    let mut next = CartpoleState::from_array(along(mean, TIME_STEP));
    if next.position.abs() > RAIL {
        next.position = RAIL.copysign(next.position);
        if next.velocity * next.position > 0.0 {
            // The stop takes the cart's speed in an instant; the pole keeps its
            // angular momentum about the hinge.
            let moment = POLE_MASS * HALF_LENGTH * next.angle.cos();
            next.spin += moment * next.velocity / HINGE_INERTIA;
            next.velocity = 0.0;
        }
    }
    next
}

/// The gain of the linear-quadratic regulator about upright when a force is
/// held for `hold` control steps: the fixed point of Riccati's equation for the
/// linearised world, in which the state x ← A x + B force.
fn balance_gain(hold: usize) -> [f64; 4] {
    const COST: [f64; 4] = [1.0, 0.1, 10.0, 0.1];
    const FORCE_COST: f64 = 0.01;
    let after = |state: [f64; 4], force: f64| {
        let start = CartpoleState::from_array(state);
        (0..hold).fold(start, |s, _| advance(&s, force)).array()
    };
    // Columns by central differences: the world is smooth there.
    let step = 1e-5;
    let column = |plus: [f64; 4], minus: [f64; 4]| -> [f64; 4] {
        std::array::from_fn(|i| (plus[i] - minus[i]) / (2.0 * step))
    };
    let a: [[f64; 4]; 4] = std::array::from_fn(|j| {
        let mut nudge = [0.0; 4];
        nudge[j] = step;
        column(after(nudge, 0.0), after(nudge.map(|x| -x), 0.0))
    });
    let b = column(after([0.0; 4], step), after([0.0; 4], -step));
    // a[j] is the j-th column, so this is x · A's columns.
    let dot = |x: &[f64; 4], y: &[f64; 4]| -> f64 { (0..4).map(|i| x[i] * y[i]).sum() };
    let mut value = [[0.0; 4]; 4];
    let mut gain = [0.0; 4];
    for _ in 0..2000 {
        let times = |x: &[f64; 4]| -> [f64; 4] { std::array::from_fn(|i| dot(&value[i], x)) };
        let vb = times(&b);
        let va: [[f64; 4]; 4] = std::array::from_fn(|j| times(&a[j]));
        let scale = FORCE_COST + dot(&b, &vb);
        gain = std::array::from_fn(|j| dot(&b, &va[j]) / scale);
        value = std::array::from_fn(|i| {
            std::array::from_fn(|j| {
                let own = if i == j { COST[i] } else { 0.0 };
                own + dot(&a[i], &va[j]) - dot(&a[i], &vb) * gain[j]
            })
        });
    }
    gain
}

/// An angle in (−π, π].
fn wrapped(angle: f64) -> f64 {
    let turned = (angle + PI).rem_euclid(2.0 * PI) - PI;
    if turned == -PI { PI } else { turned }
}

impl Task for Cartpole {
    type State = CartpoleState;

    const ID: &'static str = Cartpole::ID;
    const ACTION_DIM: usize = 1;
    const CONTROL_STEPS: usize = 1000;
    const ACTION_REPEAT: usize = 8;
    const PARTS: &'static [&'static str] = &["cart", "pole"];
    const COORDINATES: &'static [&'static str] = &[
        "cart_position",
        "cart_velocity",
        "pole_cosine",
        "pole_sine",
        "pole_spin",
    ];

    fn new(action_repeat: usize) -> Cartpole {
        Cartpole {
            gain: balance_gain(action_repeat),
        }
    }

    fn start(&self, random: &mut Stream) -> CartpoleState {
        CartpoleState {
            position: 0.01 * random.normal(),
            velocity: 0.01 * random.normal(),
            angle: PI + 0.01 * random.normal(),
            spin: 0.01 * random.normal(),
        }
    }

    fn step(&self, state: &mut CartpoleState, action: &[f32]) -> f64 {
        let action = f64::from(action.first().copied().unwrap_or_default());
        *state = advance(state, FORCE * action);
        let upright = 0.5 * (state.angle.cos() + 1.0);
        let quiet = tolerance(action, 0.0, 1.0, Falloff::Quadratic);
        let steady = tolerance(state.spin, 0.0, 5.0, Falloff::Gaussian);
        let centred = tolerance(state.position, 0.0, 2.0, Falloff::Gaussian);
        upright * (4.0 + quiet) / 5.0 * (1.0 + steady) / 2.0 * (1.0 + centred) / 2.0
    }

    /// Far from upright: pump the pole's energy to that of standing (Åström and
    /// Furuta, Swinging up a pendulum by energy control, 2000) while drawing the
    /// cart to the middle. Near it: the linear-quadratic regulator.
    fn expert(&self, state: &CartpoleState, action: &mut [f32]) {
        let angle = wrapped(state.angle);
        let near = [state.position, state.velocity, angle, state.spin];
        let feedback: f64 = (0..4).map(|i| -self.gain[i] * near[i]).sum();
        let force = if angle.abs() < 0.6 && feedback.abs() < 2.5 * FORCE {
            feedback
        } else {
            let pump = (state.pole_energy() * state.spin * angle.cos() * 60.0).clamp(-1.0, 1.0);
            let start = if state.spin.abs() < 0.05 { 0.5 } else { 0.0 };
            FORCE * (pump + start - 0.35 * state.position - 0.15 * state.velocity)
        };
        if let Some(action) = action.first_mut() {
            *action = (force / FORCE).clamp(-1.0, 1.0) as f32;
        }
    }

    fn plausible(&self, state: &CartpoleState) -> bool {
        state.position.abs() <= RAIL && state.array().iter().all(|x| x.is_finite())
    }

    fn coordinates(&self, state: &CartpoleState) -> Vec<f32> {
        let (sine, cosine) = state.angle.sin_cos();
        [state.position, state.velocity, cosine, sine, state.spin]
            .map(|v| v as f32)
            .to_vec()
    }

    fn camera(&self, _: &CartpoleState) -> Camera {
        Camera::look_at([0.0, -4.4, 1.25], [0.0, 0.0, 1.0], 45.0)
    }

    fn ground(&self, palette: &Palette) -> Ground {
        Ground {
            height: -0.05,
            half: [4.0, 4.0],
            field: 0.5,
            colours: palette.floor,
        }
    }

    fn primitives(&self, state: &CartpoleState, palette: &Palette) -> Vec<Primitive> {
        let (x, angle) = (state.position as f32, wrapped(state.angle) as f32);
        let part = |shape, position, rotation, colour, segment| Primitive {
            shape,
            position,
            rotation,
            colour,
            gloss: 0.3,
            segment,
        };
        let half = HALF_LENGTH as f32;
        let rail = |y| {
            part(
                Shape::Capsule {
                    radius: 0.02,
                    half_length: 2.0,
                },
                [0.0, y, 1.0],
                turn([0.0, 1.0, 0.0], std::f32::consts::FRAC_PI_2),
                [0.45, 0.45, 0.5],
                SEGMENT_FLOOR,
            )
        };
        vec![
            part(
                Shape::Box {
                    half: [0.2, 0.15, 0.1],
                },
                [x, 0.0, 1.0],
                UPRIGHT,
                palette.body,
                SEGMENT_TASK,
            ),
            part(
                Shape::Capsule {
                    radius: POLE_RADIUS as f32,
                    half_length: half,
                },
                [x + half * angle.sin(), 0.0, 1.0 + half * angle.cos()],
                turn([0.0, 1.0, 0.0], angle),
                palette.body,
                SEGMENT_TASK + 1,
            ),
            rail(0.07),
            rail(-0.07),
        ]
    }
}
