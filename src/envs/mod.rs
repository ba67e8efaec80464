//! Environments: native worlds drawn on the GPU, and the bridge to real suites.
//!
//! All are vectorised: one object holds `n` environments that are stepped together.

pub mod bridge;
pub mod native;

/// What an environment is, as the agent needs to know it.
#[derive(Debug, Clone, PartialEq)]
pub struct EnvSpec {
    /// The id that selects it, e.g. `native/reach` or `dm_control/cartpole-swingup`.
    pub id: String,
    /// Height and width of one frame in pixels (frames are RGB, uint8, square).
    pub image_size: usize,
    /// Components of an action, each in [−1, 1].
    pub action_dim: usize,
    /// Agent steps per episode; reaching it is a truncation, never a termination.
    pub episode_steps: usize,
    /// Physics (control) steps per agent step; rewards are summed over them.
    pub action_repeat: usize,
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
    #[error(transparent)]
    Bridge(#[from] bridge::BridgeError),
    #[error(transparent)]
    World(#[from] native::WorldError),
}

impl EnvError {
    /// Whether the user can mend it by asking differently.
    pub fn is_user_mistake(&self) -> bool {
        match self {
            EnvError::Unknown { .. } => true,
            EnvError::Bridge(e) => e.is_user_mistake(),
            EnvError::World(e) => e.is_user_mistake(),
        }
    }
}
