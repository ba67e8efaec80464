//! The two kinds of masked autoencoders by their names.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// How a vision transformer is pretrained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// One kind of image (He et al. 2022).
    Mae,
    /// RGB with or without saliency (Bachmann et al. 2022, as ViSaRL trains it).
    MultiMae,
}

/// How restored saliency is compared with the true one (SPEC.md B.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SaliencyLoss {
    /// Mean absolute error, as ViSaRL's released code. Its best guess is black wherever
    /// white is less likely than not: where little is salient, for very long everywhere.
    #[default]
    L1,
    /// `WeightedMSE`, as the paper's Table II:
    /// [`PatchLoss::SquaredByValue`](super::PatchLoss::SquaredByValue).
    WeightedMse,
}

/// A name that is no method's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("method '{given}' is not known; it must be mae or multimae")]
pub struct UnknownMethod {
    pub given: String,
}

impl Method {
    /// The name in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Method::Mae => "mae",
            Method::MultiMae => "multimae",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Method {
    type Err = UnknownMethod;

    fn from_str(given: &str) -> Result<Method, UnknownMethod> {
        let all = [Method::Mae, Method::MultiMae];
        let found = all.into_iter().find(|method| method.name() == given);
        found.ok_or_else(|| UnknownMethod {
            given: given.to_string(),
        })
    }
}
