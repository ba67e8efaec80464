//! How well a map finds what is truly there. Pure functions on one picture.
//!
//! "True" pixels are those of the controlled body and of the goal. A map is taken by its
//! magnitude, as masks are (SPEC.md A.6.1): how much a pixel matters, whichever way.
//!
//! A map that is 0 everywhere says nothing, and that is a miss: pointing game, precision
//! and recall are 0, and the area is ½, for nothing is put in a wrong order either. It is
//! counted and not left out, so that the means of methods and agents are over the same
//! pictures, and that none is the better for saying nothing where it would be wrong.
//! [`Score::empty`] tells how often.

/// What one map scores against one truth, each in 0..=1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// The pointing game (Zhang et al. 2016, arXiv:1608.00507): whether the pixel that
    /// matters most is true; where several share the maximum, the share of true ones.
    pub pointing: f64,
    /// Share of the mask's pixels that are true; 0 of an empty mask.
    pub precision: f64,
    /// Share of the true pixels that are in the mask.
    pub recall: f64,
    /// Area under the ROC curve: how likely a true pixel matters more than another one,
    /// where equals count half. Chance is ½.
    pub auc: f64,
    /// Share of all pixels that are true: what pointing and precision are by chance.
    pub chance: f64,
    /// 1 if the map is 0 everywhere, else 0; of a mean, the share of such maps.
    pub empty: f64,
}

impl Score {
    /// Scores a map and its mask against the truth, all of one length, row by row.
    ///
    /// `None` where nothing can be right or nothing wrong: if no pixel is true or all are;
    /// and if a magnitude is NaN or lengths differ.
    pub fn of(map: &[f32], mask: &[bool], truth: &[bool]) -> Option<Score> {
        let (pixels, positives) = (truth.len(), count(truth));
        let comparable = map.len() == pixels && mask.len() == pixels;
        if !comparable || positives == 0 || positives == pixels {
            return None;
        }
        let magnitude: Vec<f32> = map.iter().map(|v| v.abs()).collect();
        if magnitude.iter().any(|v| v.is_nan()) {
            return None;
        }
        let chance = ratio(positives, pixels);
        if magnitude.iter().all(|v| *v == 0.0) {
            return Some(Score {
                pointing: 0.0,
                precision: 0.0,
                recall: 0.0,
                auc: 0.5,
                chance,
                empty: 1.0,
            });
        }
        let both = mask.iter().zip(truth).filter(|(m, t)| **m && **t).count();
        Some(Score {
            pointing: pointing(&magnitude, truth),
            precision: ratio(both, count(mask)),
            recall: ratio(both, positives),
            auc: auc(&magnitude, truth),
            chance,
            empty: 0.0,
        })
    }
}

fn count(mask: &[bool]) -> usize {
    mask.iter().filter(|m| **m).count()
}

/// a / b; 0 of nothing.
fn ratio(a: usize, b: usize) -> f64 {
    a as f64 / b.max(1) as f64
}

fn pointing(magnitude: &[f32], truth: &[bool]) -> f64 {
    let most = magnitude.iter().fold(0.0f32, |most, &v| most.max(v));
    let tops = || magnitude.iter().zip(truth).filter(|(v, _)| **v == most);
    ratio(tops().filter(|(_, t)| **t).count(), tops().count())
}

/// The Mann-Whitney statistic over all pairs: the ranks of the true pixels, where equals
/// share their mean rank.
fn auc(magnitude: &[f32], truth: &[bool]) -> f64 {
    let mut order: Vec<usize> = (0..magnitude.len()).collect();
    order.sort_by(|&a, &b| magnitude[a].total_cmp(&magnitude[b]));
    let mut ranks = 0.0;
    let mut below = 0;
    for equals in order.chunk_by(|&a, &b| magnitude[a] == magnitude[b]) {
        let positives = equals.iter().filter(|&&i| truth[i]).count();
        // Ranks are counted from 1.
        let mean_rank = below as f64 + (equals.len() + 1) as f64 / 2.0;
        ranks += positives as f64 * mean_rank;
        below += equals.len();
    }
    let positives = count(truth) as f64;
    let negatives = truth.len() as f64 - positives;
    (ranks - positives * (positives + 1.0) / 2.0) / (positives * negatives)
}

/// The mean over pictures.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct MeanScore {
    sum: [f64; 6],
    /// Pictures that were scored.
    pub pictures: usize,
    /// Pictures that could not be: see [`Score::of`].
    pub without: usize,
}

impl MeanScore {
    /// Takes the score of one more picture.
    pub fn add(&mut self, score: Option<Score>) {
        let Some(s) = score else {
            self.without += 1;
            return;
        };
        self.pictures += 1;
        let parts = [s.pointing, s.precision, s.recall, s.auc, s.chance, s.empty];
        for (sum, part) in self.sum.iter_mut().zip(parts) {
            *sum += part;
        }
    }

    /// The mean; none of no picture.
    pub fn mean(&self) -> Option<Score> {
        let pictures = self.pictures as f64;
        let [pointing, precision, recall, auc, chance, empty] = self.sum.map(|sum| sum / pictures);
        (self.pictures > 0).then_some(Score {
            pointing,
            precision,
            recall,
            auc,
            chance,
            empty,
        })
    }

    /// How many of the pictures had a map that is 0 everywhere, and so a miss.
    pub fn empty(&self) -> usize {
        self.sum[5] as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: bool = true;
    const F: bool = false;

    #[test]
    fn a_map_without_ties() {
        // Magnitudes 4 3 2 1 0; true are the first and the fourth.
        let map = [-4.0, 3.0, 2.0, -1.0, 0.0];
        let truth = [T, F, F, T, F];
        let score = Score::of(&map, &[T, T, F, F, F], &truth).unwrap();
        // Pairs (true, false) in the right order: 4>3, 4>2, 4>0, 1>0 of 6.
        let expected = Score {
            pointing: 1.0,
            precision: 0.5,
            recall: 0.5,
            auc: 4.0 / 6.0,
            chance: 0.4,
            empty: 0.0,
        };
        assert_eq!(score, expected);
        let nowhere = Score::of(&map, &[F; 5], &truth).unwrap();
        assert_eq!((nowhere.precision, nowhere.recall), (0.0, 0.0));
    }

    #[test]
    fn ties_count_half() {
        // All equal: no order at all.
        let flat = Score::of(&[3.0; 4], &[T; 4], &[T, F, F, F]).unwrap();
        assert_eq!((flat.pointing, flat.auc), (0.25, 0.5));
        assert_eq!((flat.precision, flat.recall), (0.25, 1.0));
        // Two share the maximum, one of them is true; pairs: 2=2 (½), 2>1, 1<2, 1=1 (½).
        let score = Score::of(&[2.0, -2.0, 1.0, 1.0], &[T, T, F, F], &[T, F, T, F]).unwrap();
        assert_eq!((score.pointing, score.auc), (0.5, 0.5));
        // The same with signs that must not matter, and −0 beside 0.
        let zeros = Score::of(&[5.0, 0.0, -0.0], &[T, F, F], &[T, F, F]).unwrap();
        assert_eq!((zeros.pointing, zeros.auc), (1.0, 1.0));
    }

    /// Whatever the mask of it is: training's keeps every pixel.
    #[test]
    fn a_map_without_anything_is_a_miss() {
        let truth = [T, F, F, F];
        let nothing = Score::of(&[0.0, -0.0, 0.0, 0.0], &[T; 4], &truth);
        let expected = Score {
            pointing: 0.0,
            precision: 0.0,
            recall: 0.0,
            auc: 0.5,
            chance: 0.25,
            empty: 1.0,
        };
        assert_eq!(nothing, Some(expected));
        let mut mean = MeanScore::default();
        mean.add(nothing);
        mean.add(Score::of(&[1.0, 0.0, 0.0, 0.0], &truth, &truth));
        mean.add(None);
        assert_eq!((mean.pictures, mean.empty(), mean.without), (2, 1, 1));
        let score = mean.mean().unwrap();
        assert_eq!((score.pointing, score.recall), (0.5, 0.5));
        assert_eq!((score.auc, score.empty), (0.75, 0.5));
    }

    #[test]
    fn the_best_and_the_worst() {
        let (map, truth) = ([9.0, 8.0, 1.0, 0.5], [T, T, F, F]);
        let best = Score::of(&map, &truth, &truth).unwrap();
        assert_eq!((best.pointing, best.auc), (1.0, 1.0));
        assert_eq!((best.precision, best.recall), (1.0, 1.0));
        let worst = Score::of(&map, &truth, &truth.map(|t| !t)).unwrap();
        assert_eq!((worst.pointing, worst.auc), (0.0, 0.0));
        assert_eq!((worst.precision, worst.recall), (0.0, 0.0));
    }

    #[test]
    fn truths_that_say_nothing_have_no_score() {
        let map = [1.0, 2.0];
        assert_eq!(Score::of(&map, &[T, F], &[T, T]), None);
        assert_eq!(Score::of(&map, &[T, F], &[F, F]), None);
        assert_eq!(Score::of(&[], &[], &[]), None);
        assert_eq!(Score::of(&map, &[T, F], &[T]), None);
        assert_eq!(Score::of(&map, &[T], &[T, F]), None);
        assert_eq!(Score::of(&[1.0, f32::NAN], &[T, F], &[T, F]), None);
    }

    /// Against the definition, pair by pair, with many ties.
    #[test]
    fn the_area_is_the_share_of_pairs() {
        let mut state = 7u32;
        let mut next = |bound: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) % bound
        };
        let map: Vec<f32> = (0..200).map(|_| next(9) as f32 - 4.0).collect();
        let truth: Vec<bool> = (0..200).map(|_| next(5) == 0).collect();
        let (mut right, mut pairs) = (0.0, 0.0);
        for (a, _) in map.iter().zip(&truth).filter(|(_, t)| **t) {
            for (b, _) in map.iter().zip(&truth).filter(|(_, t)| !**t) {
                pairs += 1.0;
                right += match a.abs().total_cmp(&b.abs()) {
                    std::cmp::Ordering::Greater => 1.0,
                    std::cmp::Ordering::Equal => 0.5,
                    std::cmp::Ordering::Less => 0.0,
                };
            }
        }
        let score = Score::of(&map, &truth, &truth).unwrap();
        assert!((score.auc - right / pairs).abs() < 1e-12);
    }

    #[test]
    fn means_are_over_what_was_scored() {
        let mut mean = MeanScore::default();
        assert_eq!(mean.mean(), None);
        let truth = [T, F, F, F];
        mean.add(Score::of(&[1.0, 0.0, 0.0, 0.0], &truth, &truth));
        mean.add(Score::of(&[0.0, 1.0, 0.0, 0.0], &[F, T, F, F], &truth));
        mean.add(Score::of(&[1.0; 4], &truth, &[F; 4]));
        assert_eq!((mean.pictures, mean.without), (2, 1));
        let score = mean.mean().unwrap();
        assert_eq!((score.pointing, score.precision), (0.5, 0.5));
        // 1, and two ties of three pairs lost against the one that is higher: (0+½+½)/3.
        assert!((score.auc - (1.0 + 1.0 / 3.0) / 2.0).abs() < 1e-12);
    }
}
