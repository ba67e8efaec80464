//! One explanation as a row of pictures: what is seen, what it is attributed to, what
//! the mask keeps, what the agent predicts of the mask, what is truly there.

use crate::agents::explain::Explanation;
use crate::config::Config;
use crate::media::colormap::{self, Scale};
use crate::media::{MediaError, Rgb8};
use crate::saliency::Method;

/// Attributions have long tails: this quantile of the magnitudes gets the full colour.
pub(super) const FULL_COLOUR: Scale = Scale::Quantile(0.995);

/// Titles of the columns that [`row`] gives.
pub(super) fn columns(
    method: &Method,
    config: &Config,
    predicts: bool,
    truth: bool,
) -> Vec<String> {
    let mut titles = vec![
        "observation".to_string(),
        method.title().to_string(),
        format!("mask at quantile {}", config.rho),
    ];
    if predicts {
        titles.push("mask the agent predicts".to_string());
    }
    if truth {
        titles.push("true segmentation".to_string());
    }
    titles
}

/// The newest frame of an explanation, in maps of [side, side].
pub(super) struct Newest {
    /// Attribution: of the three colours the strongest, its sign kept.
    pub map: Vec<f32>,
    pub mask: Vec<f32>,
    /// Predicted probability, the mean over the three colours.
    pub predicted: Option<Vec<f32>>,
    pub observation: Rgb8,
}

/// The end of `values` that belongs to the newest frame: it is the last of the stack.
fn last(values: &[f32], count: usize) -> &[f32] {
    &values[values.len().saturating_sub(count)..]
}

impl Newest {
    pub fn of(explanation: &Explanation, side: usize) -> Result<Newest, MediaError> {
        let area = side * side;
        let bytes: Vec<u8> = last(&explanation.obs, 3 * area)
            .iter()
            .map(|v| v.round().clamp(0.0, 255.0) as u8)
            .collect();
        let predicted = explanation.predicted.as_ref().map(|probability| {
            let planes = last(probability, 3 * area);
            (0..area)
                .map(|i| planes.iter().skip(i).step_by(area).sum::<f32>() / 3.0)
                .collect()
        });
        Ok(Newest {
            map: colormap::strongest_channel(last(&explanation.map, 3 * area), 3, side, side)?,
            mask: last(&explanation.mask, area).to_vec(),
            predicted,
            observation: Rgb8::from_chw(&bytes, side, side)?,
        })
    }
}

/// The pictures of one row, in the order of [`columns`]. Maps and picture are of one
/// size, `width`×`height`, row-major.
pub(super) fn row(
    picture: &Rgb8,
    map: &[f32],
    mask: &[f32],
    predicted: Option<&[f32]>,
    truth: Option<&[u8]>,
) -> Result<Vec<Option<Rgb8>>, MediaError> {
    let (height, width) = (picture.height(), picture.width());
    let mut cells = vec![
        picture.clone(),
        colormap::diverging(map, height, width, FULL_COLOUR)?,
        colormap::mask_overlay(picture, mask)?,
    ];
    if let Some(probability) = predicted {
        cells.push(colormap::mask(probability, height, width)?);
    }
    if let Some(ids) = truth {
        cells.push(colormap::segmentation(ids, height, width)?);
    }
    Ok(cells.into_iter().map(Some).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_frame_is_the_last_of_the_stack() {
        // Two frames of 2×2: the older one is 10, the newer one 20 in red only.
        let mut obs = vec![10.0; 12];
        obs.extend([20.0; 4].iter().chain(&[0.0; 8]));
        let mut map = vec![9.0; 12];
        map.extend([0.5, 0.0, 0.0, 0.0, -2.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.25]);
        let mut predicted = vec![0.0; 12];
        predicted.extend([0.3; 4].iter().chain(&[0.6; 4]).chain(&[0.9; 4]));
        let explanation = Explanation {
            obs,
            action: vec![0.0],
            q: 0.0,
            map,
            mask: vec![0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0],
            predicted: Some(predicted),
        };
        let newest = Newest::of(&explanation, 2).unwrap();
        assert_eq!(newest.observation.get(1, 1), Some([20, 0, 0]));
        assert_eq!(newest.map, [-2.0, 0.0, 0.0, 0.25]);
        assert_eq!(newest.mask, [1.0, 0.0, 0.0, 1.0]);
        for probability in newest.predicted.unwrap() {
            assert!((probability - 0.6).abs() < 1e-6);
        }
    }
}
