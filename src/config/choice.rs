//! Keys whose value is one of a few names.

use std::path::{Path, PathBuf};
use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::error::{ConfigError, nearest};
use crate::nn::Method;

macro_rules! choice {
    ($(#[$doc:meta])* $name:ident, $key:literal { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $text)] $variant,)+
        }

        impl $name {
            /// Every accepted name.
            pub const NAMES: &'static [&'static str] = &[$($text),+];

            /// The name in files and on the command line.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }

        impl FromStr for $name {
            type Err = ConfigError;

            fn from_str(given: &str) -> Result<Self, ConfigError> {
                match given {
                    $($text => Ok(Self::$variant),)+
                    _ => Err(unknown_choice($key, given, Self::NAMES)),
                }
            }
        }
    };
}

pub(super) fn unknown_choice(key: &'static str, given: &str, known: &[&str]) -> ConfigError {
    ConfigError::UnknownChoice {
        key,
        given: given.to_owned(),
        nearest: nearest(given, known.iter().copied()),
        known: known.join(", "),
    }
}

choice! {
    /// Which algorithm trains.
    AgentKind, "agent" {
        /// Soft actor-critic from pixels (A.4).
        Sac = "sac",
        /// SAC on random crops of larger frames (A.5).
        Rad = "rad",
        /// SAC on observations shifted at random: DrQ with K = M = 1 (A.5).
        Drq = "drq",
        /// RAD, and the encoder tells crops of one observation from those of others (A.5).
        Curl = "curl",
        /// RAD, and the encoder tells which action led from one observation to the next (A.5).
        Pad = "pad",
        /// RAD, and the encoder predicts an observation's features from its augmentation
        /// (A.5).
        Soda = "soda",
        /// The critic also on augmented observations (A.5).
        Svea = "svea",
        /// SVEA's critic and SODA's phase (A.5), on random crops.
        SveaSoda = "svea-soda",
        /// Saliency-guided Q-networks (A.6).
        Sgqn = "sgqn",
        /// SGQN without its auxiliary phase: the paper's ablation (A.5).
        SacConsistency = "sac-consistency",
        /// SGQN without its consistency term: the paper's ablation (A.5).
        SacSelfSupervision = "sac-self-supervision",
        /// A deep Q-network: a value for each of a few actions (Mnih et al. 2015).
        Dqn = "dqn",
        /// SGQN on it: what its paper names as future work.
        SgqnDqn = "sgqn-dqn",
    }
}

/// What an encoder learns besides the value of actions, in a phase with an optimiser of its
/// own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auxiliary {
    /// SGQN: where the critic looks (A.6.4).
    Mask,
    /// CURL: which crops show the same (A.5).
    Contrast,
    /// SODA: the features of what was augmented (A.5).
    Soda,
    /// PAD: the action that lies between two observations (A.5).
    InverseDynamics,
}

impl AgentKind {
    /// The phase that it has besides SAC's.
    pub fn auxiliary(self) -> Option<Auxiliary> {
        match self {
            AgentKind::Sgqn | AgentKind::SacSelfSupervision | AgentKind::SgqnDqn => {
                Some(Auxiliary::Mask)
            }
            AgentKind::Curl => Some(Auxiliary::Contrast),
            AgentKind::Soda | AgentKind::SveaSoda => Some(Auxiliary::Soda),
            AgentKind::Pad => Some(Auxiliary::InverseDynamics),
            _ => None,
        }
    }

    /// Whether it chooses among actions by their values, without an actor; else it names
    /// the components of its actions.
    pub fn chooses(self) -> bool {
        matches!(self, AgentKind::Dqn | AgentKind::SgqnDqn)
    }

    /// Whether its critic also learns from augmented observations, as SVEA's.
    pub fn doubles_critic(self) -> bool {
        matches!(self, AgentKind::Svea | AgentKind::SveaSoda)
    }

    /// Whether its frames are drawn larger than its networks see them, to be cropped (A.2).
    pub fn crops(self) -> bool {
        use AgentKind::*;
        matches!(self, Rad | Curl | Pad | Soda | SveaSoda)
    }
}

/// What makes features of frames.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum EncoderKind {
    /// The CNN of A.1, trained with the agent.
    Cnn,
    /// A pretrained vision transformer, frozen (B.7): a pretraining run or a file of
    /// weights.
    Pretrained {
        /// Named before the colon.
        method: Method,
        path: PathBuf,
    },
}

impl EncoderKind {
    /// Where the weights of a pretrained one are.
    pub fn weights(&self) -> Option<&Path> {
        match self {
            EncoderKind::Cnn => None,
            EncoderKind::Pretrained { path, .. } => Some(path),
        }
    }

    /// The method by which `foveate explain` shows where an agent with it looks, if that is
    /// not the default one, which is about convolutions.
    pub fn explained_by(&self) -> Option<&'static str> {
        match self {
            EncoderKind::Cnn => None,
            EncoderKind::Pretrained { .. } => Some("gradient"),
        }
    }
}

impl fmt::Display for EncoderKind {
    /// `cnn`, `mae:PATH` or `multimae:PATH`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EncoderKind::Cnn => f.write_str("cnn"),
            EncoderKind::Pretrained { method, path } => {
                write!(f, "{method}:{}", path.display())
            }
        }
    }
}

impl From<EncoderKind> for String {
    fn from(encoder: EncoderKind) -> String {
        encoder.to_string()
    }
}

impl TryFrom<String> for EncoderKind {
    type Error = ConfigError;

    fn try_from(given: String) -> Result<EncoderKind, ConfigError> {
        if given == "cnn" {
            return Ok(EncoderKind::Cnn);
        }
        let parts = given.split_once(':').filter(|(_, path)| !path.is_empty());
        match parts.and_then(|(name, path)| Some((name.parse().ok()?, path))) {
            Some((method, path)) => Ok(EncoderKind::Pretrained {
                method,
                path: PathBuf::from(path),
            }),
            None => Err(ConfigError::OutOfRange {
                key: "encoder",
                given: format!("'{given}'"),
                expected:
                    "cnn, multimae:PATH or mae:PATH (a pretraining run or a .safetensors file)"
                        .to_string(),
            }),
        }
    }
}

choice! {
    /// A named set of defaults, by what it takes to run it.
    Preset, "preset" {
        /// Minutes on two cores with software Vulkan.
        Tiny = "tiny",
        /// Hours on an integrated GPU.
        Laptop = "laptop",
        /// The published numbers.
        Paper = "paper",
        /// Those of ViSaRL's SAC (B.8).
        Visarl = "visarl",
    }
}

choice! {
    /// What stands where the mask hides the observation (A.6.2).
    MaskFill, "mask_fill" {
        /// One grey per batch, uniform between the batch's extremes.
        Uniform = "uniform",
        /// Black.
        Zero = "zero",
    }
}

choice! {
    /// What of a frame the networks see (ViSaRL's Table I; SPEC.md B.8). Saliency is
    /// that of the environment.
    Inputs, "inputs" {
        /// Red, green and blue.
        Rgb = "rgb",
        /// Saliency alone, in three planes.
        Saliency = "saliency",
        /// RGB, dark where nothing is salient.
        RgbTimesSaliency = "rgb-times-saliency",
        /// RGB and saliency, a CNN's four planes.
        Rgbs = "rgbs",
        /// RGB and saliency, each with tokens of its own; for pretrained encoders.
        RgbAndSaliency = "rgb+saliency",
    }
}

choice! {
    /// How large saliency is where a CNN sees it as pixels (SPEC.md B.8).
    SaliencyScale, "saliency_scale" {
        /// 0 to 255, like RGB.
        Scaled = "scaled",
        /// 0 to 1, which the CNN divides by 255 once more: the released code.
        Faithful = "faithful",
    }
}

choice! {
    /// On which scale an agent sees a frozen encoder's embeddings.
    LatentScale, "latent_scale" {
        /// As they are: the released code (SPEC.md B.7).
        Raw = "raw",
        /// Each component less its mean and over its deviation, measured on the frames of
        /// the random steps before learning begins.
        Standardised = "standardised",
    }
}

choice! {
    /// What observations are augmented with (A.3), by SVEA and in auxiliary phases.
    Augmentation, "augmentation" {
        /// Half a picture of something else: what SGQN's paper compares with.
        Overlay = "overlay",
        /// A random convolution: SVEA's own default, and that of SGQN's robots.
        Conv = "conv",
    }
}

choice! {
    /// What the budget `steps` counts (I.1).
    Budget, "budget" {
        /// Decisions of the agent.
        AgentSteps = "agent_steps",
        /// Control steps of the environment.
        Frames = "frames",
    }
}
