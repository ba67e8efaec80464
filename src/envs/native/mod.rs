//! Native worlds: physics in Rust, pictures by a WGSL ray caster.
//!
//! | id | task | action | reward |
//! |---|---|---|---|
//! | `native/reach` | steer a ball on a table to a disc | 2: velocity wanted along x, y | at most 100 an episode |
//! | `native/cartpole` | swing a pole up and balance it | 1: force on the cart | at most 1,000 an episode |
//! | `native/ball_in_cup` | swing a ball on a string up and catch it in a cup | 2: force on the cup along x, z | at most 1,000 an episode |
//! | `native/finger` | keep a spinner spinning with a finger of two links | 2: torques of the joints | at most 1,000 an episode |
//! | `native/drawer` | open a drawer with an arm of two links | 2: torques of the joints | at most 500 an episode |
//! | `native/walker-stand` | stand up and stand, on two legs | 6: torques of the joints | at most 1,000 an episode |
//! | `native/walker-walk` | stand up and walk | 6: torques of the joints | at most 1,000 an episode |
//!
//! They resemble tasks of the DeepMind Control suite (the drawer: of Meta-World) and are
//! not those tasks: scores are not comparable.
//!
//! Everything random in episode `k` of environment `i` is drawn from streams
//! keyed by (seed, i, k): an episode is the same whatever was played before it,
//! and its physics is the same in every [`Mode`].

pub mod background;
mod ball_in_cup;
mod bounds;
mod cartpole;
mod drawer;
mod environment;
mod finger;
mod mode;
pub mod noise;
pub mod palette;
pub mod picture;
pub mod planar;
pub mod random;
mod reach;
mod render;
pub mod scene;
pub mod tolerance;
mod vectorised;
mod walker;

pub use ball_in_cup::{BallInCup, BallInCupState};
pub use cartpole::{Cartpole, CartpoleState};
pub use drawer::{Drawer, DrawerState};
pub use environment::NativeEnvironment;
pub use finger::{Finger, FingerState};
pub use mode::Mode;
pub(super) use mode::nearest;
pub use reach::{Reach, ReachState};
pub use render::{PictureBank, Renderer};
pub use vectorised::{Task, Vectorised};
pub use walker::{Stand, Walk, Walker, WalkerState};

use super::{EnvError, EnvSpec, Transition};
use scene::Scene;

/// The ids of the native worlds.
pub const IDS: [&str; 7] = [
    Reach::ID,
    Cartpole::ID,
    BallInCup::ID,
    Finger::ID,
    Drawer::ID,
    Walker::<Stand>::ID,
    Walker::<Walk>::ID,
];

/// A group of environments of one kind that are stepped together.
pub trait World: Send {
    /// What the environments are.
    fn spec(&self) -> &EnvSpec;

    /// How many there are.
    fn count(&self) -> usize;

    /// The look in which [`scene`](World::scene) shows them.
    fn mode(&self) -> Mode;

    /// Begins `episode` in environment `env`, at agent step 0.
    fn reset(&mut self, env: usize, episode: u64) -> Result<(), WorldError>;

    /// One agent step of every environment. `actions`: `[count, action_dim]`,
    /// clipped to [−1, 1]; `answers`: `[count]`. Nothing is stepped if it fails:
    /// wrong lengths, an action that is not finite, an episode that is over and
    /// was not reset.
    fn step(&mut self, actions: &[f32], answers: &mut [Transition]) -> Result<(), WorldError>;

    /// What a scripted controller that reads the state would do. `action`: `[action_dim]`.
    fn expert(&self, env: usize, action: &mut [f32]) -> Result<(), WorldError>;

    /// What there is to see of environment `env` now.
    fn scene(&self, env: usize) -> Result<Scene, WorldError> {
        self.scene_in(env, self.mode())
    }

    /// The same moment in another look.
    fn scene_in(&self, env: usize, mode: Mode) -> Result<Scene, WorldError>;

    /// What each of [`coordinates`](World::coordinates) is, by name.
    fn coordinate_names(&self) -> &'static [&'static str];

    /// What the ids of a segmentation from [`SEGMENT_TASK`](scene::SEGMENT_TASK) on stand
    /// for, by name.
    fn parts(&self) -> &'static [&'static str];

    /// Where the things of environment `env` are and how they move, as numbers that a
    /// probe can be fitted to: angles as cosine and sine.
    fn coordinates(&self, env: usize) -> Result<Vec<f32>, WorldError>;

    /// Everything that the future depends on, bit for bit: counters and states,
    /// in the byte order of the machine.
    fn save(&self) -> Vec<u8>;

    /// Continues from what [`save`](World::save) gave, in a world that was
    /// created with the same id and options. Nothing changes if it fails.
    fn restore(&mut self, saved: &[u8]) -> Result<(), WorldError>;
}

/// How to create a world.
#[derive(Debug, Clone, PartialEq)]
pub struct WorldOptions {
    /// How many environments.
    pub count: usize,
    /// Height and width of a frame in pixels, a multiple of 4 up to 4,092 (what one
    /// dispatch of the ray caster can draw on every device).
    pub image_size: usize,
    pub seed: u64,
    pub mode: Mode,
    /// Control steps per agent step; none: the world's own default.
    pub action_repeat: Option<usize>,
    /// The clips of the picture bank that the renderer is given, as numbers of
    /// pictures one after the other, for the video modes; empty: procedural
    /// moving pictures.
    pub clips: Vec<u32>,
}

impl Default for WorldOptions {
    fn default() -> WorldOptions {
        WorldOptions {
            count: 1,
            image_size: 84,
            seed: 0,
            mode: Mode::Train,
            action_repeat: None,
            clips: vec![],
        }
    }
}

/// The world `id` (one of [`IDS`]), every environment at the start of episode 0.
pub fn create(id: &str, options: WorldOptions) -> Result<Box<dyn World>, EnvError> {
    match id {
        Reach::ID => Ok(Box::new(Vectorised::<Reach>::new(options)?)),
        Cartpole::ID => Ok(Box::new(Vectorised::<Cartpole>::new(options)?)),
        BallInCup::ID => Ok(Box::new(Vectorised::<BallInCup>::new(options)?)),
        Finger::ID => Ok(Box::new(Vectorised::<Finger>::new(options)?)),
        Drawer::ID => Ok(Box::new(Vectorised::<Drawer>::new(options)?)),
        Walker::<Stand>::ID => Ok(Box::new(Vectorised::<Walker<Stand>>::new(options)?)),
        Walker::<Walk>::ID => Ok(Box::new(Vectorised::<Walker<Walk>>::new(options)?)),
        _ => Err(EnvError::Unknown {
            given: id.to_string(),
            nearest: mode::nearest(id, &IDS),
            known: IDS.join(", "),
        }),
    }
}

/// What can go wrong with a native world.
#[derive(Debug, thiserror::Error, PartialEq)]
#[non_exhaustive]
pub enum WorldError {
    /// No mode has this name.
    #[error("unknown mode '{given}'{}; known: {known}", nearest.as_ref().map(|n| format!(" (did you mean '{n}'?)")).unwrap_or_default())]
    Mode {
        given: String,
        nearest: Option<String>,
        known: String,
    },
    /// An option that no world can have.
    #[error("{option} is {given}; it must be {right}")]
    Option {
        option: &'static str,
        given: usize,
        right: &'static str,
    },
    /// A list of the wrong length.
    #[error("{what} has {given} elements; {right} are needed ({count} environments)")]
    Length {
        what: &'static str,
        given: usize,
        right: usize,
        count: usize,
    },
    /// There is no such environment in the group.
    #[error("there is no environment {given}: the group has {count}, counted from 0")]
    Environment { given: usize, count: usize },
    /// An action is NaN or infinite.
    #[error("component {component} of the action of environment {env} is {value}")]
    NotFinite {
        env: usize,
        component: usize,
        value: f32,
    },
    /// A step after the last of an episode.
    #[error("the episode of environment {env} is over: reset it before the next step")]
    Over { env: usize },
    /// A saved state that does not fit this world.
    #[error("the saved state is not one of this world: {0}")]
    Saved(String),
}

impl WorldError {
    /// Whether the user can mend it by asking differently.
    pub fn is_user_mistake(&self) -> bool {
        matches!(self, WorldError::Mode { .. } | WorldError::Option { .. })
    }
}
