//! Environments: native worlds drawn on the GPU, and the bridge to real suites.
//!
//! All are vectorised: one object holds `n` environments that are stepped together.
//! [`open`] gives them by id behind one interface, [`Environment`].

pub mod backgrounds;
pub mod bridge;
mod environment;
pub mod native;
mod open;

pub use environment::Environment;
pub use open::{
    EnvOptions, RealSuite, SUITES, describe, is_discrete, known_ids, modes_of, offers_saliency,
    open,
};

/// What may be done in an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActionSpace {
    /// So many components, each in [−1, 1].
    Continuous(usize),
    /// One of so many actions, named by its number.
    Discrete(usize),
}

impl ActionSpace {
    /// Numbers that name an action.
    pub fn dim(self) -> usize {
        match self {
            ActionSpace::Continuous(components) => components,
            ActionSpace::Discrete(_) => 1,
        }
    }
}

impl From<usize> for ActionSpace {
    fn from(components: usize) -> ActionSpace {
        ActionSpace::Continuous(components)
    }
}

/// What an environment is, as the agent needs to know it.
#[derive(Debug, Clone, PartialEq)]
pub struct EnvSpec {
    /// The id that selects it, e.g. `native/reach` or `dm_control/cartpole-swingup`.
    pub id: String,
    /// Height and width of one frame in pixels (frames are RGB, uint8, square).
    pub image_size: usize,
    /// Components of an action, each in [−1, 1]; 1 where actions are discrete.
    pub action_dim: usize,
    /// How many actions there are to choose from; the one component is then the number
    /// of one of them, from 0. `None`: actions are continuous.
    pub discrete_actions: Option<usize>,
    /// Agent steps per episode; reaching it is a truncation, never a termination.
    pub episode_steps: usize,
    /// Physics (control) steps per agent step; rewards are summed over them.
    pub action_repeat: usize,
}

impl EnvSpec {
    /// What may be done.
    pub fn actions(&self) -> ActionSpace {
        match self.discrete_actions {
            Some(count) => ActionSpace::Discrete(count),
            None => ActionSpace::Continuous(self.action_dim),
        }
    }
}

/// What one environment answers to one action.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Transition {
    /// Sum of the rewards over the repeated action.
    pub reward: f32,
    /// The task ended: no value beyond this state.
    pub terminated: bool,
    /// The time limit was reached: the value continues, the episode does not.
    pub truncated: bool,
}

/// What is known of an environment's last step beside its [`Transition`].
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Outcome {
    /// Whether the task counts as done in this state; `None`: it does not say.
    pub success: Option<bool>,
    /// The reward before any clipping.
    pub score: f32,
    /// The step never happened, because the process of the environment died: the
    /// transition says `truncated` and must not be learned from.
    pub lost: bool,
}

/// What can go wrong with an environment.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnvError {
    /// No environment has this id.
    #[error("unknown environment '{given}'{}; known: {known}", nearest.as_ref().map(|n| format!(" (did you mean '{n}'?)")).unwrap_or_default())]
    Unknown {
        given: String,
        nearest: Option<String>,
        known: String,
    },
    /// A look that this environment does not have.
    #[error(
        "'{id}' can be shown only in mode 'train', not in '{given}'; dm_control and the native worlds have every mode: {}",
        native::IDS.join(", ")
    )]
    Mode { id: String, given: native::Mode },
    /// Environments and the store of their frames disagree.
    #[error("the frames of '{id}' have {given}×{given} pixels, those of the store {store}×{store}")]
    FrameSize {
        id: String,
        given: usize,
        store: usize,
    },
    /// Saliency of an environment that nobody knows it of.
    #[error(
        "'{id}' has no saliency; the native worlds have: {}",
        native::IDS.join(", ")
    )]
    NoSaliency { id: String },
    /// A bank without pictures.
    #[error("there are no pictures; a picture bank needs 1 or more")]
    NoPictures,
    /// Not a picture of the size that was said.
    #[error(
        "picture {index} has {given} bytes; 3 × {size} × {size} are needed, and {size} must be a multiple of 4"
    )]
    PictureBytes {
        index: usize,
        given: usize,
        size: usize,
    },
    /// Several looks of a moment that can be seen only once.
    #[error("'{id}' can be shown in one mode at a time: name one with --modes; the native worlds can be shown in several: {}", native::IDS.join(", "))]
    OneMode { id: String },
    /// More pictures than one binding of the device holds.
    #[error(
        "{given} background pictures of {size}×{size} pixels; this device holds at most {most}"
    )]
    TooManyPictures {
        given: usize,
        size: usize,
        most: usize,
    },
    #[error(transparent)]
    Bridge(#[from] bridge::BridgeError),
    #[error(transparent)]
    World(#[from] native::WorldError),
}

impl EnvError {
    /// Whether the user can mend it by asking differently.
    pub fn is_user_mistake(&self) -> bool {
        match self {
            EnvError::Unknown { .. }
            | EnvError::Mode { .. }
            | EnvError::OneMode { .. }
            | EnvError::NoSaliency { .. }
            | EnvError::TooManyPictures { .. } => true,
            EnvError::FrameSize { .. } | EnvError::NoPictures | EnvError::PictureBytes { .. } => {
                false
            }
            EnvError::Bridge(e) => e.is_user_mistake(),
            EnvError::World(e) => e.is_user_mistake(),
        }
    }
}
