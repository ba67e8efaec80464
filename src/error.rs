//! The crate's error: every layer has a typed error of its own, this is their sum.

use crate::pretrained::WeightsError;
use crate::tape::TapeError;

/// `Result` with foveate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong, by the layer in which it does.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error(transparent)]
    Gpu(#[from] crate::gpu::GpuError),
    #[error(transparent)]
    Tape(#[from] crate::tape::TapeError),
    /// A loss or another watched value stopped being a number.
    #[error(
        "{what} became {value} by step {step}: training stopped; the last checkpoint is good. Lower the learning rates, or look at the inputs"
    )]
    NonFinite { what: String, value: f32, step: u64 },
    /// The device went away while training.
    #[error(
        "the device was lost at step {step} ({reason}): training stopped; what was saved before in '{}' is intact", run.display()
    )]
    TrainingDeviceLost {
        run: std::path::PathBuf,
        step: u64,
        reason: String,
    },
    /// A real environment failed while training: its processes died again and again, or the
    /// one of an evaluation did not open.
    #[error(
        "the environment failed at step {step}: {source}\ntraining stopped; {kept}", kept = match not_saved {
            None => format!("everything is saved in '{}'", run.display()),
            Some(reason) => format!("what was saved before is intact, the rest is not ({reason})"),
        }
    )]
    EnvironmentGone {
        run: std::path::PathBuf,
        step: u64,
        source: Box<crate::envs::bridge::BridgeError>,
        /// Why there is no checkpoint of this step.
        not_saved: Option<String>,
    },
    /// An agent that acts by numbers in an environment that wants a choice.
    #[error(
        "{agent} needs continuous actions, but '{env}' has {}discrete ones: name --agent dqn or sgqn-dqn, which choose, or an environment with continuous actions (foveate envs lists them)",
        count.map(|count| format!("{count} ")).unwrap_or_default()
    )]
    DiscreteActions {
        agent: crate::config::AgentKind,
        env: String,
        /// `None`: that depends on the environment, which was not asked.
        count: Option<usize>,
    },
    /// An agent that chooses, where the grid of actions is too large.
    #[error(
        "{agent} chooses among 3^|A| actions, each component -1, 0 or 1, and '{env}' has {components} components: more than {most} are too many; name an agent that acts by numbers, e.g. sgqn, or an environment with fewer components"
    )]
    TooManyChoices {
        agent: crate::config::AgentKind,
        env: String,
        components: usize,
        most: usize,
    },
    /// A replay that memory does not hold.
    #[error(
        "out of memory: replay_capacity={capacity} needs {bytes} bytes, more than this device holds (in all, or in one binding); the largest replay_capacity that fits is {fits}"
    )]
    ReplayTooLarge {
        capacity: usize,
        bytes: u64,
        fits: usize,
    },
    /// A ceiling of the bench that took no time.
    #[error("'{what}' could not be measured: the device's timer saw no time pass")]
    NoCeiling { what: &'static str },
    /// Real suites have no scripted controller.
    #[error("'{id}' has no scripted expert; the native worlds have")]
    NoExpert { id: String },
    /// Attribution by convolutions where there are none.
    #[error(
        "{method} is about an agent's convolutions and the ReLUs between them; this agent sees through a frozen encoder, a vision transformer, which has neither: --method gradient, occlusion and rise are for every agent, --method attention shows where the encoder itself looks"
    )]
    FrozenEncoder { method: &'static str },
    /// Fewer steps for a run than it has behind it.
    #[error(
        "the run in '{}' is at step {done} already, but steps={given} ends {}: nothing was changed; to go on, give --steps beyond what is done",
        run.display(),
        if given == steps { "before that".to_string() } else { format!("at agent step {steps}") }
    )]
    PastSteps {
        run: std::path::PathBuf,
        /// Agent steps of its newest good checkpoint.
        done: u64,
        /// In the unit of the run's budget.
        given: u64,
        /// The same in agent steps.
        steps: u64,
    },
    /// A pretraining that is to go on with other images than it began with.
    #[error(
        "the run in '{}' began with other images: to go on, name those with --data and --saliency, or start another run",
        run.display()
    )]
    OtherImages { run: std::path::PathBuf },
    /// A run directory without a checkpoint to load.
    #[error("'{}' holds no checkpoint yet: train first", run.display())]
    NoCheckpoint { run: std::path::PathBuf },
    /// A checkpoint whose content makes no sense though it is whole.
    #[error("'{}': {reason}", path.display())]
    BadCheckpoint {
        path: std::path::PathBuf,
        reason: String,
    },
    #[error(transparent)]
    Config(#[from] crate::config::ConfigError),
    #[error(transparent)]
    Env(#[from] crate::envs::EnvError),
    #[error(transparent)]
    Run(#[from] crate::run::RunError),
    #[error(transparent)]
    Data(#[from] crate::data::DataError),
    #[error(transparent)]
    Media(#[from] crate::media::MediaError),
    #[error(transparent)]
    Probe(#[from] crate::pretrain::probe::ProbeError),
    #[error(transparent)]
    Sweep(#[from] crate::sweep::SweepError),
    #[error(transparent)]
    Weights(#[from] WeightsError),
}

impl Error {
    /// Why the device was lost, if that is what went wrong.
    pub fn device_lost(&self) -> Option<&str> {
        match self {
            Error::Gpu(e)
            | Error::Tape(TapeError::Gpu(e))
            | Error::Weights(WeightsError::Gpu(e)) => e.device_lost(),
            Error::TrainingDeviceLost { reason, .. } => Some(reason),
            _ => None,
        }
    }

    /// Whether it stopped a run that can be gone on from what is saved of it, once the cause
    /// is gone.
    pub fn leaves_a_run_to_resume(&self) -> bool {
        matches!(
            self,
            Error::TrainingDeviceLost { .. }
                | Error::EnvironmentGone { .. }
                | Error::Run(crate::run::RunError::DiskFull { .. })
        )
    }

    /// Whether the user can mend this by asking differently (exit code 2), as
    /// opposed to a failure while doing what was rightly asked (exit code 1).
    pub fn is_user_mistake(&self) -> bool {
        match self {
            Error::Gpu(e) => e.is_user_mistake(),
            Error::Tape(e) => e.is_user_mistake(),
            Error::NonFinite { .. }
            | Error::TrainingDeviceLost { .. }
            | Error::EnvironmentGone { .. }
            | Error::BadCheckpoint { .. }
            | Error::NoCeiling { .. } => false,
            Error::NoCheckpoint { .. }
            | Error::NoExpert { .. }
            | Error::PastSteps { .. }
            | Error::OtherImages { .. }
            | Error::DiscreteActions { .. }
            | Error::TooManyChoices { .. }
            | Error::FrozenEncoder { .. }
            | Error::ReplayTooLarge { .. } => true,
            Error::Config(e) => e.is_user_mistake(),
            Error::Env(e) => e.is_user_mistake(),
            Error::Run(e) => e.is_user_mistake(),
            Error::Data(e) => e.is_user_mistake(),
            Error::Media(e) => e.is_user_mistake(),
            Error::Probe(e) => e.is_user_mistake(),
            Error::Sweep(e) => e.is_user_mistake(),
            Error::Weights(e) => e.is_user_mistake(),
        }
    }
}

/// The message of an error, and those of its causes that it does not already contain: what
/// a program prints where it ends. `{error:?}`, which `main` prints of an error that it
/// returns, is for debugging.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let message = error.to_string();
        if !text.contains(&message) {
            text.push_str("\n  because: ");
            text.push_str(&message);
        }
        cause = error.source();
    }
    text
}
