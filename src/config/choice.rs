//! Keys whose value is one of a few names.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::error::{ConfigError, nearest};

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
        /// Saliency-guided Q-networks (A.6).
        Sgqn = "sgqn",
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
    /// What the budget `steps` counts (I.1).
    Budget, "budget" {
        /// Decisions of the agent.
        AgentSteps = "agent_steps",
        /// Control steps of the environment.
        Frames = "frames",
    }
}
