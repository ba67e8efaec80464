//! Linear probes: how much of a world's state a linear map reads from features of its
//! frames, in episodes that it was not fitted on (Alain & Bengio 2016).

use std::collections::HashMap;

use super::ridge::{Linear, NormalEquations};
use crate::data::States;

/// Groups of training episodes of which each in turn judges a penalty.
const FOLDS: usize = 5;
/// Penalties that are tried, of standardised features.
const PENALTIES: [f64; 9] = [1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0];
/// What varies by less, relative to its root mean square, is constant: a few roundings of
/// float32, in which features and states are given.
const LEAST_DEVIATION: f64 = 8.0 * f32::EPSILON as f64;

/// Why a probe cannot be fitted.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ProbeError {
    /// Frames of one episode resemble each other: they cannot be on both sides.
    #[error(
        "the recording has {given} episode{}; a probe is fitted on some and measured on others, and needs at least 3: collect more frames",
        if *.given == 1 { "" } else { "s" }
    )]
    Episodes { given: usize },
    /// A part of the episodes that leaves none on one side.
    #[error("{given} of the episodes are to be held out; it must be more than 0 and less than 1")]
    HeldOut { given: f64 },
    /// Features of another number of frames.
    #[error("{given} features are no rows of {width} for each of {frames} frames")]
    Features {
        given: usize,
        width: usize,
        frames: usize,
    },
    /// Features that no map can be fitted to.
    #[error("feature {feature} of frame {frame} is {value}; it must be a finite number")]
    NotFinite {
        frame: usize,
        feature: usize,
        value: f32,
    },
    /// The normal equations have no solution.
    #[error("no linear map fits: the features depend on each other at every penalty")]
    Singular,
}

impl ProbeError {
    /// Whether the user can mend it by asking differently.
    pub fn is_user_mistake(&self) -> bool {
        matches!(
            self,
            ProbeError::Episodes { .. } | ProbeError::HeldOut { .. }
        )
    }
}

/// Which frames a probe is fitted on, and which measure it. No episode is in both.
#[derive(Debug, Clone, PartialEq)]
pub struct Split {
    /// The frames of each training episode.
    training: Vec<Vec<usize>>,
    held_out: Vec<Vec<usize>>,
}

impl Split {
    /// Of the episode numbers of all frames; the last episodes are held out, `part` of
    /// all, at least one.
    ///
    /// # Errors
    /// [`ProbeError::Episodes`] for fewer than 3, [`ProbeError::HeldOut`].
    pub fn new(episode: &[i32], part: f64) -> Result<Split, ProbeError> {
        if !(part > 0.0 && part < 1.0) {
            return Err(ProbeError::HeldOut { given: part });
        }
        let mut places: HashMap<i32, usize> = HashMap::new();
        let mut frames: Vec<Vec<usize>> = vec![];
        for (frame, &number) in episode.iter().enumerate() {
            let at = *places.entry(number).or_insert(frames.len());
            if at == frames.len() {
                frames.push(vec![]);
            }
            frames[at].push(frame);
        }
        let count = frames.len();
        if count < 3 {
            return Err(ProbeError::Episodes { given: count });
        }
        let held = (part * count as f64).round() as usize;
        let held_out = frames.split_off(count - held.clamp(1, count - 2));
        let training = frames;
        Ok(Split { training, held_out })
    }

    /// Episodes that the probe is fitted on, and that measure it.
    pub fn episodes(&self) -> [usize; 2] {
        [self.training.len(), self.held_out.len()]
    }

    /// Frames of these.
    pub fn frames(&self) -> [usize; 2] {
        [&self.training, &self.held_out].map(|part| part.iter().map(Vec::len).sum())
    }

    fn held_out(&self) -> impl Iterator<Item = usize> + '_ {
        self.held_out.iter().flatten().copied()
    }
}

/// How well each coordinate is read.
#[derive(Debug, Clone, PartialEq)]
pub struct Fit {
    /// Part of a coordinate's variance over the held-out frames that the probe explains:
    /// 1 at best, 0 as good as their mean; none of a coordinate that does not vary.
    pub r2: Vec<Option<f64>>,
    /// The penalty of each coordinate's map.
    pub penalties: Vec<f64>,
}

impl Fit {
    /// Of all coordinates that vary.
    pub fn mean_r2(&self) -> Option<f64> {
        let known: Vec<f64> = self.r2.iter().flatten().copied().collect();
        (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
    }
}

/// Fits a ridge regression from `features` f32[N, width] to each coordinate and measures
/// it on the held-out episodes. Features are standardised; each coordinate's penalty is
/// the one of 1e-8 to 1 with the least error when every fifth of the training episodes in
/// turn is left out.
///
/// # Errors
/// [`ProbeError::Features`], [`ProbeError::NotFinite`], [`ProbeError::Singular`].
pub fn fit(
    split: &Split,
    features: &[f32],
    width: usize,
    states: &States,
) -> Result<Fit, ProbeError> {
    let frames = states.count();
    if width == 0 || features.len() != width * frames {
        return Err(ProbeError::Features {
            given: features.len(),
            width,
            frames,
        });
    }
    if let Some(at) = features.iter().position(|v| !v.is_finite()) {
        return Err(ProbeError::NotFinite {
            frame: at / width,
            feature: at % width,
            value: features[at],
        });
    }
    let samples = Samples::new(split, features, width, states);
    let folds = samples.folds(split);
    let chosen = samples.choose(&folds)?;
    let all = samples.sums(split.training.iter().flatten().copied());
    let (mut r2, mut penalties) = (vec![], vec![]);
    for (target, &penalty) in chosen.iter().enumerate() {
        let map = all.solve(penalty).ok_or(ProbeError::Singular)?;
        let of_target = |row: &[f64]| row[target];
        let count = split.frames()[1] as f64;
        let mean = (split.held_out())
            .map(|f| of_target(samples.target(f)))
            .sum::<f64>()
            / count;
        let (mut error, mut variance) = (0.0, 0.0);
        for frame in split.held_out() {
            let truth = of_target(samples.target(frame));
            error += (truth - of_target(&map.predict(samples.feature(frame)))).powi(2);
            variance += (truth - mean).powi(2);
        }
        let varies = varies(mean, (variance / count).sqrt());
        r2.push(varies.then(|| 1.0 - error / variance));
        penalties.push(penalty);
    }
    Ok(Fit { r2, penalties })
}

/// Whether numbers of this mean and standard deviation differ by more than rounding.
fn varies(mean: f64, deviation: f64) -> bool {
    deviation > LEAST_DEVIATION * mean.hypot(deviation)
}

/// Standardised features and targets of every frame.
struct Samples {
    width: usize,
    targets: usize,
    /// f64[N, width] and f64[N, targets].
    features: Vec<f64>,
    values: Vec<f64>,
}

impl Samples {
    /// Less the mean of the training frames, over their deviation; a feature that is
    /// constant there becomes 0.
    fn new(split: &Split, features: &[f32], width: usize, states: &States) -> Samples {
        let training = || split.training.iter().flatten();
        let count = split.frames()[0] as f64;
        let mut scaled: Vec<f64> = features.iter().map(|&v| f64::from(v)).collect();
        for column in 0..width {
            let value = |frame: &usize| f64::from(features[frame * width + column]);
            let mean = training().map(value).sum::<f64>() / count;
            let variance = training().map(|f| (value(f) - mean).powi(2)).sum::<f64>() / count;
            let deviation = variance.sqrt();
            let scale = match varies(mean, deviation) {
                true => 1.0 / deviation,
                false => 0.0,
            };
            for v in scaled.iter_mut().skip(column).step_by(width) {
                *v = (*v - mean) * scale;
            }
        }
        Samples {
            width,
            targets: states.names().len(),
            features: scaled,
            values: states.values().iter().map(|&v| f64::from(v)).collect(),
        }
    }

    fn feature(&self, frame: usize) -> &[f64] {
        &self.features[frame * self.width..][..self.width]
    }

    fn target(&self, frame: usize) -> &[f64] {
        &self.values[frame * self.targets..][..self.targets]
    }

    fn sums(&self, frames: impl Iterator<Item = usize>) -> NormalEquations {
        let mut sums = NormalEquations::new(self.width, self.targets);
        for frame in frames {
            sums.add(self.feature(frame), self.target(frame));
        }
        sums
    }

    /// The frames of each group of training episodes, and the sums over them. Groups are
    /// neighbours: episodes in turn may have looks in turn.
    fn folds(&self, split: &Split) -> Vec<(Vec<usize>, NormalEquations)> {
        let episodes = split.training.len();
        let folds = FOLDS.min(episodes);
        let group = |k: usize| k * episodes / folds..(k + 1) * episodes / folds;
        (0..folds)
            .map(|k| {
                let frames: Vec<usize> = split.training[group(k)].concat();
                let sums = self.sums(frames.iter().copied());
                (frames, sums)
            })
            .collect()
    }

    /// The penalty of each target.
    fn choose(&self, folds: &[(Vec<usize>, NormalEquations)]) -> Result<Vec<f64>, ProbeError> {
        let mut best = vec![(f64::INFINITY, None); self.targets];
        for penalty in PENALTIES {
            let mut errors = vec![0.0; self.targets];
            for (k, (frames, _)) in folds.iter().enumerate() {
                let others = (folds.iter().enumerate()).filter(|(other, _)| *other != k);
                let sums = others.fold(
                    NormalEquations::new(self.width, self.targets),
                    |sums, (_, (_, fold))| sums.with(fold),
                );
                let map = sums.solve(penalty);
                self.add_errors(map.as_ref(), frames, &mut errors);
            }
            for (best, error) in best.iter_mut().zip(errors) {
                if error < best.0 {
                    *best = (error, Some(penalty));
                }
            }
        }
        (best.into_iter().map(|(_, penalty)| penalty))
            .collect::<Option<_>>()
            .ok_or(ProbeError::Singular)
    }

    /// Adds the squared errors of a map over frames; without a map there is no bound.
    fn add_errors(&self, map: Option<&Linear>, frames: &[usize], errors: &mut [f64]) {
        let Some(map) = map else {
            errors.fill(f64::INFINITY);
            return;
        };
        for &frame in frames {
            let predicted = map.predict(self.feature(frame));
            let pairs = predicted.iter().zip(self.target(frame));
            for (error, (p, y)) in errors.iter_mut().zip(pairs) {
                *error += (p - y).powi(2);
            }
        }
    }
}
