//! Which images an encoder is given.

use std::str::FromStr;

/// RGB alone, or with saliency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inputs {
    Rgb,
    RgbSaliency,
}

impl FromStr for Inputs {
    type Err = String;

    fn from_str(given: &str) -> Result<Inputs, String> {
        match given {
            "rgb" => Ok(Inputs::Rgb),
            "rgb+saliency" => Ok(Inputs::RgbSaliency),
            _ => Err("it must be rgb or rgb+saliency".to_string()),
        }
    }
}

impl Inputs {
    pub fn name(self) -> &'static str {
        match self {
            Inputs::Rgb => "rgb",
            Inputs::RgbSaliency => "rgb+saliency",
        }
    }

    /// Of what is there.
    pub fn of(saliency: bool) -> Inputs {
        match saliency {
            true => Inputs::RgbSaliency,
            false => Inputs::Rgb,
        }
    }
}
