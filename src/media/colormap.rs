//! Numbers → colours: attribution maps, masks, segmentations.
//!
//! Maps are row-major slices of `h · w` values. NaN shows in [`NOT_A_NUMBER`],
//! ±∞ as the end of the scale, an all-zero map as the colour of zero: nothing
//! here panics on a value.
//!
//! The gradients are ColorBrewer's RdBu (diverging, safe for colour-blind
//! readers) and matplotlib's viridis and inferno (perceptually uniform).

use super::rgb8::{Rgb, checked_area};
use super::{MediaError, Rgb8};

/// What NaN looks like: magenta, in none of the gradients.
pub const NOT_A_NUMBER: Rgb = [255, 0, 255];

/// How bright the picture is below the colours of [`heat_overlay`]: one sees what is there,
/// and no white is taken for heat.
const GROUND: f32 = 0.55;

/// Which value gets the end of the colour scale.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scale {
    /// The largest finite magnitude of this map.
    Max,
    /// The quantile of the finite magnitudes, in 0..=1: attributions have long
    /// tails, and a few pixels would otherwise leave the rest colourless.
    Quantile(f32),
    /// This value, the same for all frames of an animation.
    Fixed(f32),
}

/// Perceptually uniform gradients for magnitudes, from dark to bright.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sequential {
    Viridis,
    Inferno,
}

/// A signed map: blue below zero, white-grey at zero, red above; symmetric, so
/// that equal magnitudes are equally strong.
///
/// # Errors
/// [`MediaError::Shape`] if `map` is not `h · w` long or a side is 0.
pub fn diverging(map: &[f32], h: usize, w: usize, scale: Scale) -> Result<Rgb8, MediaError> {
    check("signed map", map.len(), h, w)?;
    let end = scale.end(map);
    paint(map, h, w, |v| diverging_at(ratio(v, end)))
}

/// The colour of `share`, in −1..1, of the end of the scale of [`diverging`], for legends.
pub fn diverging_colour(share: f32) -> Rgb {
    diverging_at(share.into())
}

fn diverging_at(share: f64) -> Rgb {
    // The gradient runs red → blue; 0.5 is its neutral middle.
    colour_of(&colorous::RED_BLUE, 0.5 - 0.5 * share)
}

/// The magnitude of a map: |v|, dark at 0.
///
/// # Errors
/// As [`diverging`].
pub fn magnitude(
    map: &[f32],
    h: usize,
    w: usize,
    scale: Scale,
    gradient: Sequential,
) -> Result<Rgb8, MediaError> {
    check("map", map.len(), h, w)?;
    let end = scale.end(map);
    paint(map, h, w, |v| magnitude_at(ratio(v.abs(), end), gradient))
}

/// The colour of `share`, in 0..1, of the end of the scale of [`magnitude`], for legends.
pub fn magnitude_colour(share: f32, gradient: Sequential) -> Rgb {
    magnitude_at(share.into(), gradient)
}

fn magnitude_at(share: f64, gradient: Sequential) -> Rgb {
    let gradient = match gradient {
        Sequential::Viridis => &colorous::VIRIDIS,
        Sequential::Inferno => &colorous::INFERNO,
    };
    colour_of(gradient, share)
}

/// A mask alone, in greys: 0 is black (dropped), 1 is white (kept), values
/// between (a predicted probability) are between; beyond [0, 1] is clamped.
///
/// # Errors
/// As [`diverging`].
pub fn mask(mask: &[f32], h: usize, w: usize) -> Result<Rgb8, MediaError> {
    check("mask", mask.len(), h, w)?;
    paint(mask, h, w, |v| {
        [(v.clamp(0.0, 1.0) * 255.0).round() as u8; 3]
    })
}

/// A mask over what it masks: kept pixels (1) in their colours, dropped ones
/// (0) dimmed and without colour, values between are blends.
///
/// # Errors
/// [`MediaError::Shape`] if `mask` has not one value per pixel of `observation`.
pub fn mask_overlay(observation: &Rgb8, mask: &[f32]) -> Result<Rgb8, MediaError> {
    let (h, w) = (observation.height(), observation.width());
    check("mask over an observation", mask.len(), h, w)?;
    let colours = observation.colours().zip(mask).map(|(kept, &m)| {
        if m.is_nan() {
            return NOT_A_NUMBER;
        }
        // Dimmed until even white is a dark grey.
        let dropped = 0.3 * luma(kept) + 12.0;
        let m = m.clamp(0.0, 1.0);
        kept.map(f32::from)
            .map(|v| (dropped + (v - dropped) * m).round() as u8)
    });
    Rgb8::from_colours(w, h, colours)
}

/// A map of magnitudes over what it is about: |v| in the colours of [`Sequential::Inferno`]
/// over the picture in grey, which they cover the more the more there is of it.
///
/// # Errors
/// [`MediaError::Shape`] if `map` has not one value per pixel of `picture`.
pub fn heat_overlay(picture: &Rgb8, map: &[f32], scale: Scale) -> Result<Rgb8, MediaError> {
    let (h, w) = (picture.height(), picture.width());
    check("map over a picture", map.len(), h, w)?;
    let end = scale.end(map);
    let colours = picture.colours().zip(map).map(|(below, &v)| {
        if v.is_nan() {
            return NOT_A_NUMBER;
        }
        let share = ratio(v.abs(), end);
        let (grey, cover) = (GROUND * luma(below), share.sqrt() as f32);
        magnitude_at(share, Sequential::Inferno)
            .map(|v| (grey + cover * (f32::from(v) - grey)).round() as u8)
    });
    Rgb8::from_colours(w, h, colours)
}

/// Luma (ITU-R BT.601).
fn luma(colour: Rgb) -> f32 {
    let [r, g, b] = colour.map(f32::from);
    0.299 * r + 0.587 * g + 0.114 * b
}

/// A segmentation: id 0 (background) light grey, every other id a colour of
/// Tableau 10; ids beyond ten take the same colours, darker each time round.
///
/// # Errors
/// As [`diverging`].
pub fn segmentation(ids: &[u8], h: usize, w: usize) -> Result<Rgb8, MediaError> {
    check("segmentation", ids.len(), h, w)?;
    Rgb8::from_colours(w, h, ids.iter().map(|&id| class_colour(id)))
}

/// The colour of one class in [`segmentation`], for legends.
pub fn class_colour(id: u8) -> Rgb {
    let Some(class) = usize::from(id).checked_sub(1) else {
        return [228, 228, 228];
    };
    let palette = colorous::TABLEAU10;
    let colour = palette[class % palette.len()];
    let dim = 0.8f32.powi((class / palette.len()) as i32);
    [colour.r, colour.g, colour.b].map(|v| (f32::from(v) * dim).round() as u8)
}

/// One map of a many-channel attribution (CHW, `c · h · w`): at each pixel the
/// value of the channel with the largest magnitude, its sign kept. NaN wins, so
/// that it is seen.
///
/// # Errors
/// [`MediaError::Shape`] if `map` is not `c · h · w` long or an extent is 0.
pub fn strongest_channel(
    map: &[f32],
    c: usize,
    h: usize,
    w: usize,
) -> Result<Vec<f32>, MediaError> {
    let area = checked_area(w, h)?;
    if c == 0 || Some(map.len()) != area.checked_mul(c) {
        return Err(MediaError::Shape {
            what: "attribution (CHW)",
            expected: format!("{c}×{h}×{w} values, at least one channel"),
            got: format!("{} values", map.len()),
        });
    }
    let mut strongest = map[..area].to_vec();
    for channel in map[area..].chunks_exact(area) {
        for (best, &v) in strongest.iter_mut().zip(channel) {
            if v.is_nan() || v.abs() > best.abs() {
                *best = v;
            }
        }
    }
    Ok(strongest)
}

impl Scale {
    /// The magnitude that gets the full colour: finite, and positive unless the
    /// map gives none.
    fn end(self, map: &[f32]) -> f32 {
        let finite = || map.iter().filter(|v| v.is_finite()).map(|v| v.abs());
        let end = match self {
            Scale::Fixed(v) => v.abs(),
            Scale::Max => finite().fold(0.0, f32::max),
            Scale::Quantile(q) => {
                let mut sorted: Vec<f32> = finite().collect();
                sorted.sort_by(f32::total_cmp);
                let last = sorted.len().saturating_sub(1);
                let rank = (q.clamp(0.0, 1.0) * last as f32).round() as usize;
                let at_rank = sorted.get(rank).copied().unwrap_or(0.0);
                // A sparse map may have a quantile of 0 and still say something.
                if at_rank > 0.0 {
                    at_rank
                } else {
                    sorted.last().copied().unwrap_or(0.0)
                }
            }
        };
        if end.is_finite() { end } else { f32::MAX }
    }
}

/// `value / end` within [−1, 1]; 0 where the scale is empty.
fn ratio(value: f32, end: f32) -> f64 {
    if value == 0.0 {
        0.0
    } else if end == 0.0 {
        // Only ±∞ (nothing finite to compare with) or a fixed scale of 0.
        f64::from(value.signum())
    } else {
        (f64::from(value) / f64::from(end)).clamp(-1.0, 1.0)
    }
}

fn colour_of(gradient: &colorous::Gradient, position: f64) -> Rgb {
    let colour = gradient.eval_continuous(position.clamp(0.0, 1.0));
    [colour.r, colour.g, colour.b]
}

fn paint(map: &[f32], h: usize, w: usize, colour: impl Fn(f32) -> Rgb) -> Result<Rgb8, MediaError> {
    let colours = map
        .iter()
        .map(|&v| if v.is_nan() { NOT_A_NUMBER } else { colour(v) });
    Rgb8::from_colours(w, h, colours)
}

fn check(what: &'static str, len: usize, h: usize, w: usize) -> Result<(), MediaError> {
    if len == checked_area(w, h)? {
        return Ok(());
    }
    Err(MediaError::Shape {
        what,
        expected: format!("{h}×{w} = {} values", h * w),
        got: format!("{len} values"),
    })
}
