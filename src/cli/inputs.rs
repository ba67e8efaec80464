//! Which images a pretrained encoder is given.

use crate::config::Inputs;

/// Reads `--inputs` where a vision transformer sees: RGB alone, or with saliency.
pub(super) fn of_encoder(given: &str) -> Result<Inputs, String> {
    match given.parse() {
        Ok(inputs @ (Inputs::Rgb | Inputs::RgbAndSaliency)) => Ok(inputs),
        _ => Err("it must be rgb or rgb+saliency".to_string()),
    }
}
