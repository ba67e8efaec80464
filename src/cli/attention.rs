//! One explanation as a row of pictures: what is seen, what it is attributed to, what
//! the mask keeps, what the agent predicts of the mask, what is truly there.

use crate::agents::explain::Explanation;
use crate::config::Config;
use crate::envs::native::scene::{SEGMENT_BACKGROUND, SEGMENT_FLOOR, SEGMENT_TASK};
use crate::media::colormap::{self, Scale, Sequential};
use crate::media::panel::Legend;
use crate::media::rgb8::Rgb;
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

/// What the colours of a signed map mean.
pub(super) fn map_legend(title: &str) -> Legend {
    legend(
        title,
        &[1.0, -1.0].map(colormap::diverging_colour),
        &["raises Q", "lowers Q"],
    )
}

/// What the colours of a map over its picture mean.
pub(super) fn heat_legend(title: &str) -> Legend {
    legend(
        title,
        &[1.0, 0.5].map(|share| colormap::magnitude_colour(share, Sequential::Inferno)),
        &["matters most", "matters less"],
    )
}

/// What the colours of a segmentation mean; `parts` are the names of a world's things.
pub(super) fn segmentation_legend(parts: &[&str]) -> Legend {
    let scenery = [SEGMENT_BACKGROUND, SEGMENT_FLOOR];
    let colours: Vec<Rgb> = (scenery.into_iter())
        .chain(SEGMENT_TASK..)
        .take(scenery.len() + parts.len())
        .map(colormap::class_colour)
        .collect();
    legend(
        "true segmentation",
        &colours,
        &[&["background", "floor"], parts].concat(),
    )
}

fn legend(title: &str, colours: &[Rgb], words: &[&str]) -> Legend {
    let words = words.iter().map(|word| word.to_string());
    Legend {
        title: format!("{title}:"),
        colours: colours.iter().copied().zip(words).collect(),
    }
}

/// Whether a map says nothing: it is 0 everywhere.
pub(super) fn is_empty(map: &[f32]) -> bool {
    map.iter().all(|v| *v == 0.0)
}

/// How many of the maps that are shown say nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Empty {
    pub empty: usize,
    pub of: usize,
}

impl Empty {
    pub fn count(&mut self, map: &[f32]) {
        self.empty += usize::from(is_empty(map));
        self.of += 1;
    }

    /// Such as `1 of 4 maps is 0 everywhere`; none where every map says something.
    pub fn words(&self) -> Option<String> {
        let Empty { empty, of } = *self;
        let (maps, are) = (plural(of, "map", "maps"), plural(empty, "is", "are"));
        (empty > 0).then(|| format!("{empty} of {of} {maps} {are} 0 everywhere"))
    }

    /// A caption that says so.
    pub fn caption(&self, caption: String) -> String {
        match self.words() {
            Some(words) => format!("{caption} · {words}"),
            None => caption,
        }
    }
}

fn plural<'a>(count: usize, one: &'a str, many: &'a str) -> &'a str {
    if count == 1 { one } else { many }
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
