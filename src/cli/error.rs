//! What can go wrong on the command line, beside what can go wrong in the library.

use std::path::PathBuf;

use super::interrupt;
use crate::Error;
use crate::config::{AgentKind, Inputs};
use crate::envs::EnvError;
use crate::files::is_misplaced_folder;

/// Why a subcommand did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(super) enum CliError {
    #[error(transparent)]
    Library(#[from] Error),
    /// The demo's directory holds the beginning of another demo.
    #[error(
        "'{}' holds an unfinished demo with other settings ({differences}): give the same settings to continue it, --fresh to start over, or another directory with --run",
        path.display()
    )]
    OtherDemo { path: PathBuf, differences: String },
    /// The demo's directory holds a run of another command, or of another version's demo.
    #[error(
        "'{}' holds a run that is not this version's demo: name another directory with --run, or remove it yourself",
        path.display()
    )]
    NotADemo { path: PathBuf },
    /// The demo's directory holds a finished demo with other settings.
    #[error(
        "'{}' holds a finished demo with other settings ({differences}): give --fresh to replace it, or another directory with --run",
        path.display()
    )]
    OtherFinishedDemo { path: PathBuf, differences: String },
    /// A summary that is no JSON.
    #[error("'{}' is damaged ({reason}): start over with --fresh", path.display())]
    Summary { path: PathBuf, reason: String },
    /// Frames are there already.
    #[error("'{}' exists: give --fresh to replace it, or another directory with --out", path.display())]
    Collected { path: PathBuf },
    /// Nothing says which environment to collect from.
    #[error("--policy {policy} needs --env: {known}")]
    NoEnv { policy: String, known: String },
    /// A policy that there is not.
    #[error(
        "--policy '{given}' is neither random nor expert nor a run directory (there is no '{given}/config.toml')"
    )]
    Policy { given: String },
    /// An option that contradicts the run whose agent acts.
    #[error(
        "--{option} is {given}, but the agent in '{}' was trained with {right}: leave --{option} out, or name another run",
        run.display()
    )]
    NotOfRun {
        option: &'static str,
        given: String,
        run: PathBuf,
        right: String,
    },
    /// Images without the saliency that an encoder is to see.
    #[error("'{}' holds no saliency maps, which {needs} needs: {hint}", path.display())]
    NoSaliency {
        path: PathBuf,
        needs: String,
        /// What would be right.
        hint: &'static str,
    },
    /// A probe of saliency on an encoder that was trained without.
    #[error("the encoder in '{}' was trained on RGB alone: give --inputs rgb, or pretrain multimae with saliency", run.display())]
    RgbOnly { run: PathBuf },
    /// A coordinate that the recording does not have.
    #[error("the recorded state has no coordinate '{given}'{hint}; it has {known}")]
    Coordinate {
        given: String,
        hint: String,
        known: String,
    },
    /// A file of a run that cannot be read, removed or made.
    #[error("cannot {action} '{}': {source}", path.display())]
    File {
        action: &'static str,
        path: PathBuf,
        source: std::io::Error,
    },
    /// A pretraining run where an agent's is needed.
    #[error(
        "'{}' is a run of foveate pretrain, which has no agent: see where its encoder looks with foveate explain --method attention --data PATH",
        run.display()
    )]
    NoAgent { run: PathBuf },
    /// Attention maps of an agent without attention.
    #[error(
        "the agent in '{}' sees through convolutions, which have no attention: give --method guided, gradient, guided-gradcam, occlusion or rise, or name a run of foveate pretrain or a .safetensors file with --run",
        run.display()
    )]
    NoTransformer { run: PathBuf },
    /// Attention maps of nothing.
    #[error(
        "--method attention needs --data: a folder of images of {side}×{side}, a .safetensors file or a .npy file"
    )]
    NoData { side: usize },
    /// Images of another size than the encoder's.
    #[error(
        "the images in '{}' are {height}×{width}; the encoder in '{}' takes {side}×{side}: resize them{}",
        data.display(), run.display(), if *.would_do { format!(", or give --image-size {height}") } else { String::new() }
    )]
    OtherImages {
        data: PathBuf,
        height: usize,
        width: usize,
        run: PathBuf,
        side: usize,
        /// Whether the encoder takes such images if it is told.
        would_do: bool,
    },
    /// Image files for an agent that sees saliency.
    #[error(
        "the agent in '{}' sees saliency (inputs={inputs}), which image files do not have: leave --images out to explain an episode",
        run.display()
    )]
    ImagesWithoutSaliency { run: PathBuf, inputs: Inputs },
    /// An option of another method.
    #[error("--{option} is not for --method {method}: it is for {right}")]
    NotForMethod {
        option: &'static str,
        method: &'static str,
        right: &'static str,
    },
    /// An option of another agent.
    #[error("--{option} is not for agent {agent}: it is for {right}")]
    NotForAgent {
        option: &'static str,
        agent: AgentKind,
        right: &'static str,
    },
    /// An option of a method that the agent's pictures do not allow.
    #[error("{reason} (the agent in '{}')", run.display())]
    MethodOption { run: PathBuf, reason: String },
    /// Attention beside attributions.
    #[error(
        "--method attention is about an encoder's images and stands alone, with one --run; the methods of an agent that go together are guided, gradient, guided-gradcam, occlusion and rise"
    )]
    AttentionAlone,
    /// Agents of different environments where they are to see the same moments.
    #[error(
        "the agent in '{}' is of {env}, the one in '{}' of {right}: runs that are explained together see the same moments; explain them one by one, or name image files with --images",
        run.display(), first.display()
    )]
    OtherEnvironment {
        run: PathBuf,
        env: String,
        first: PathBuf,
        right: String,
    },
    /// A moment after the end of an episode.
    #[error("there is no step {step}: the episode has {limit} steps, counted from 0")]
    NoMoment { step: usize, limit: usize },
    /// Scores where nobody knows what is there.
    #[error(
        "'{env}' does not say which pixels are the body and the goal, which --score compares with (the agent in '{}'): the native worlds do: {known}",
        run.display()
    )]
    NoTruth {
        run: PathBuf,
        env: String,
        known: String,
    },
    /// Pictures without a place.
    #[error("'{}' is not a run, which would have a place for pictures: name a directory for them with --out", run.display())]
    NoOut { run: PathBuf },
    /// A filter of the bench that no row passes.
    #[error(
        "--filter '{given}' is part of no name and of no pass{hint}; names: {names}; passes: {passes}"
    )]
    Filter {
        given: String,
        hint: String,
        names: String,
        passes: String,
    },
    /// A chart by the name of something else.
    #[error("--plot draws a PNG; name it so: '{}'", path.with_extension("png").display())]
    Chart { path: PathBuf },
    /// A run of another command than the one that is to go on with it.
    #[error(
        "'{}' is a run of foveate {right}: continue it with foveate {right} --resume, or name another directory with --run",
        run.display()
    )]
    OtherCommand { run: PathBuf, right: &'static str },
    /// A training that stopped by itself and can be gone on with.
    #[error("{source}; to go on:\n  {resume}")]
    Stopped {
        source: Box<Error>,
        /// The command.
        resume: String,
    },
    /// The worker of an episode that was to be explained died.
    #[error(
        "the environment's worker died at step {step} of the episode, which is lost with it: try again"
    )]
    EpisodeLost { step: usize },
    /// Ctrl-C while training.
    #[error(
        "interrupted at step {step}: everything up to there is saved in '{}'; to go on:\n  {resume}",
        checkpoints.display()
    )]
    Interrupted {
        step: u64,
        checkpoints: PathBuf,
        /// The command.
        resume: String,
    },
    /// Standard output cannot be written.
    #[error("cannot write the results: {0}")]
    Output(std::io::Error),
}

impl CliError {
    /// An error of a training that the command `resume` goes on with, if that is possible.
    pub fn stopped(error: Error, resume: &str) -> CliError {
        match error.leaves_a_run_to_resume() {
            true => CliError::Stopped {
                source: Box::new(error),
                resume: resume.to_owned(),
            },
            false => CliError::Library(error),
        }
    }

    /// The same of what follows a training that is saved to its last step: an environment or
    /// a device that fails then leaves a run to resume, too.
    pub fn after_training(self, resume: &str) -> CliError {
        match self {
            CliError::Library(error)
                if error.leaves_a_run_to_resume()
                    || error.device_lost().is_some()
                    || matches!(error, Error::Env(EnvError::Bridge(_))) =>
            {
                CliError::Stopped {
                    source: Box::new(error),
                    resume: resume.to_owned(),
                }
            }
            other => other,
        }
    }

    /// What the program ends with.
    pub fn exit_code(&self) -> i32 {
        match self {
            CliError::Interrupted { .. } => interrupt::EXIT_CODE,
            error if error.is_user_mistake() => 2,
            _ => 1,
        }
    }

    /// Whether the user can mend it by asking differently.
    pub fn is_user_mistake(&self) -> bool {
        match self {
            CliError::Library(e) => e.is_user_mistake(),
            CliError::Stopped { source, .. } => source.is_user_mistake(),
            CliError::OtherDemo { .. }
            | CliError::NotADemo { .. }
            | CliError::OtherFinishedDemo { .. }
            | CliError::Collected { .. }
            | CliError::NoEnv { .. }
            | CliError::Policy { .. }
            | CliError::NotOfRun { .. }
            | CliError::NoSaliency { .. }
            | CliError::RgbOnly { .. }
            | CliError::Coordinate { .. }
            | CliError::NoAgent { .. }
            | CliError::OtherCommand { .. }
            | CliError::NoTransformer { .. }
            | CliError::NoData { .. }
            | CliError::OtherImages { .. }
            | CliError::NotForMethod { .. }
            | CliError::NotForAgent { .. }
            | CliError::MethodOption { .. }
            | CliError::AttentionAlone
            | CliError::OtherEnvironment { .. }
            | CliError::NoMoment { .. }
            | CliError::NoTruth { .. }
            | CliError::ImagesWithoutSaliency { .. }
            | CliError::NoOut { .. }
            | CliError::Filter { .. }
            | CliError::Chart { .. } => true,
            CliError::File { action, source, .. } => is_misplaced_folder(action, source),
            CliError::Summary { .. }
            | CliError::EpisodeLost { .. }
            | CliError::Interrupted { .. }
            | CliError::Output(_) => false,
        }
    }
}

macro_rules! through_the_library {
    ($($error:ty),+ $(,)?) => {
        $(impl From<$error> for CliError {
            fn from(error: $error) -> CliError {
                CliError::Library(error.into())
            }
        })+
    };
}

through_the_library!(
    crate::config::ConfigError,
    crate::data::DataError,
    crate::envs::EnvError,
    crate::gpu::GpuError,
    crate::media::MediaError,
    crate::pretrain::probe::ProbeError,
    crate::pretrained::WeightsError,
    crate::run::RunError,
    crate::sweep::SweepError,
    crate::tape::TapeError,
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::RunError;

    #[test]
    fn what_can_be_gone_on_from_is_followed_by_the_command() {
        let lost = Error::TrainingDeviceLost {
            run: "a run".into(),
            step: 7,
            reason: "unplugged".into(),
        };
        let full = RunError::DiskFull {
            path: "a run/metrics.jsonl".into(),
            source: std::io::ErrorKind::StorageFull.into(),
        };
        for error in [lost, full.into()] {
            let before = error.to_string();
            assert!(!before.contains("--resume"), "{before}");
            let stopped = CliError::stopped(error, "foveate demo --run 'a run'");
            let right = format!("{before}; to go on:\n  foveate demo --run 'a run'");
            assert_eq!(crate::with_causes(&stopped), right);
            assert_eq!(stopped.exit_code(), 1);
        }
        let other = Error::NonFinite {
            what: "critic_loss".into(),
            value: f32::NAN,
            step: 7,
        };
        let stopped = CliError::stopped(other, "foveate demo");
        assert!(!stopped.to_string().contains("foveate demo"), "{stopped}");
    }
}
