//! Linear probes: the regression against its closed form, and what is held out.

use foveate::data::{Moment, Recording, States};
use foveate::pretrain::probe::{ProbeError, Split, fit};
use foveate::pretrain::ridge::NormalEquations;

/// Numbers in −1..1 that look random.
fn noise(seed: u64, count: usize) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    (0..count)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
        })
        .collect()
}

/// States of episodes of `length` frames, as a recording gives them back.
fn states(values: &[f32], width: usize, length: usize) -> States {
    let folder = tempfile::tempdir().unwrap();
    let mut recording = Recording::new(values.len() / width, 4, width).unwrap();
    for (i, state) in values.chunks_exact(width).enumerate() {
        recording
            .push(&Moment {
                frame: &[0; 48],
                saliency: None,
                state,
                episode: (i / length) as u64,
            })
            .unwrap();
    }
    let notes = r#"{"state":["x","y"]}"#;
    States::read(&recording.write_tensors(folder.path(), notes).unwrap()).unwrap()
}

/// One feature: w = Sxy / (Sxx + n λ), and the line goes through the means.
#[test]
fn one_feature_has_the_textbook_solution() {
    let (x, y) = ([1.0, 2.0, 4.0, 7.0], [3.0, 1.0, 8.0, 9.0]);
    let (mean_x, mean_y) = (3.5, 5.25);
    for penalty in [0.0, 0.3, 5.0] {
        let mut sums = NormalEquations::new(1, 1);
        for (x, y) in x.iter().zip(y) {
            sums.add(&[*x], &[y]);
        }
        let sxy: f64 = x
            .iter()
            .zip(y)
            .map(|(x, y)| (x - mean_x) * (y - mean_y))
            .sum();
        let sxx: f64 = x.iter().map(|x| (x - mean_x).powi(2)).sum();
        let w = sxy / (sxx + 4.0 * penalty);
        let map = sums.solve(penalty).unwrap();
        let at = |x: f64| map.predict(&[x])[0];
        assert!((at(mean_x) - mean_y).abs() < 1e-12, "penalty {penalty}");
        assert!((at(1.0) - at(0.0) - w).abs() < 1e-12, "penalty {penalty}");
    }
}

/// Many features and targets: the gradient of the penalised error vanishes.
#[test]
fn the_solution_is_where_the_gradient_vanishes() {
    let (n, features, targets, penalty) = (60, 17, 3, 0.07);
    let (x, y) = (noise(1, n * features), noise(2, n * targets));
    let rows = || x.chunks_exact(features).zip(y.chunks_exact(targets));
    // In two parts, as folds are added up.
    let mut halves = [(); 2].map(|()| NormalEquations::new(features, targets));
    for (i, (x, y)) in rows().enumerate() {
        halves[i % 2].add(x, y);
    }
    let [even, odd] = halves;
    let map = even.with(&odd).solve(penalty).unwrap();
    let origin = map.predict(&vec![0.0; features]);
    let weight = |feature: usize, target: usize| {
        let mut unit = vec![0.0; features];
        unit[feature] = 1.0;
        map.predict(&unit)[target] - origin[target]
    };
    for target in 0..targets {
        let residuals: Vec<f64> = rows()
            .map(|(x, y)| map.predict(x)[target] - y[target])
            .collect();
        assert!(residuals.iter().sum::<f64>().abs() < 1e-9);
        for feature in 0..features {
            let along = rows().zip(&residuals).map(|((x, _), r)| x[feature] * r);
            let slope = along.sum::<f64>() + n as f64 * penalty * weight(feature, target);
            assert!(
                slope.abs() < 1e-9,
                "feature {feature}, target {target}: {slope}"
            );
        }
    }
}

#[test]
fn equations_without_a_solution_have_none() {
    assert!(
        NormalEquations::new(2, 1).solve(1.0).is_none(),
        "no samples"
    );
    let mut twice = NormalEquations::new(2, 1);
    for x in noise(3, 9) {
        twice.add(&[x, x], &[2.0 * x]);
    }
    assert!(twice.solve(0.0).is_none(), "one feature twice");
    assert!(twice.solve(1e-6).is_some(), "one feature twice, penalised");
    let mut broken = NormalEquations::new(1, 1);
    broken.add(&[f64::NAN], &[1.0]);
    broken.add(&[1.0], &[1.0]);
    assert!(broken.solve(1.0).is_none(), "a feature that is no number");
}

/// The state is a linear map of the features; one column of them is constant, one state
/// too, and one state has nothing to do with them.
#[test]
fn a_linear_state_is_read_and_nothing_else() {
    let (episodes, length, width) = (20, 6, 5);
    let frames = episodes * length;
    let mut features: Vec<f32> = noise(4, frames * width).iter().map(|&v| v as f32).collect();
    features
        .iter_mut()
        .skip(2)
        .step_by(width)
        .for_each(|v| *v = 3.0);
    let chance = noise(5, frames);
    let mut values = vec![];
    for (row, chance) in features.chunks_exact(width).zip(chance) {
        values.extend([4.0 * row[0] - 50.0 * row[4] + 7.0, chance as f32, 0.1]);
    }
    let states = states(&values, 3, length);
    assert_eq!(states.names(), ["state 0", "state 1", "state 2"]);
    let split = Split::new(states.episode(), 0.25).unwrap();
    assert_eq!((split.episodes(), split.frames()), ([15, 5], [90, 30]));
    let read = fit(&split, &features, width, &states).unwrap();
    assert!(read.r2[0].unwrap() > 0.999_999, "{:?}", read.r2);
    assert!(read.r2[1].unwrap() < 0.2, "{:?}", read.r2);
    assert_eq!(read.r2[2], None);
    let mean = read.mean_r2().unwrap();
    assert!((mean - (read.r2[0].unwrap() + read.r2[1].unwrap()) / 2.0).abs() < 1e-12);
    let chosen = fit(&split, &features, width, &states.select(&[1])).unwrap();
    assert_eq!(chosen.r2[0], read.r2[1]);
}

/// A feature that differs by the rounding of float32 alone differs by nothing, though what
/// is left tells the state exactly.
#[test]
fn rounding_is_not_read() {
    let (episodes, length) = (20, 6);
    let chance = noise(7, episodes * length);
    for magnitude in [1.0f32, -3e-5, 7e4] {
        let next = f32::from_bits(magnitude.to_bits() + 1);
        let up = |v: &f64| if *v > 0.0 { next } else { magnitude };
        let features: Vec<f32> = chance.iter().map(up).collect();
        let values: Vec<f32> = chance.iter().map(|v| v.signum() as f32).collect();
        let states = states(&values, 1, length);
        let split = Split::new(states.episode(), 0.25).unwrap();
        let read = fit(&split, &features, 1, &states).unwrap();
        assert!(read.r2[0].unwrap() < 0.1, "{magnitude}: {:?}", read.r2);
        // Small, but more than rounding.
        let more: Vec<f32> = (chance.iter().zip(&features))
            .map(|(v, f)| f * (1.0 + 1e-4 * v.signum() as f32))
            .collect();
        let read = fit(&split, &more, 1, &states).unwrap();
        assert!(read.r2[0].unwrap() > 0.99, "{magnitude}: {:?}", read.r2);
    }
}

/// Features tell which episode it is, states are drawn for each episode: whoever has
/// frames of one episode on both sides reads them perfectly, and nobody else.
#[test]
fn no_episode_is_on_both_sides() {
    let (episodes, length) = (30, 8);
    let of_episode = noise(6, episodes);
    let mut features = vec![0.0f32; episodes * length * episodes];
    let mut values = vec![];
    for frame in 0..episodes * length {
        features[frame * episodes + frame / length] = 1.0;
        values.extend([of_episode[frame / length] as f32; 2]);
    }
    let states = states(&values, 2, length);
    assert_eq!(states.names(), ["x", "y"]);
    let split = Split::new(states.episode(), 0.2).unwrap();
    let read = fit(&split, &features, episodes, &states).unwrap();
    assert!(read.mean_r2().unwrap() < 0.1, "{:?}", read.r2);
}

#[test]
fn mistakes_are_named() {
    for (episode, given) in [(vec![7; 9], 1), (vec![0, 0, 1, 1], 2)] {
        assert_eq!(
            Split::new(&episode, 0.2),
            Err(ProbeError::Episodes { given })
        );
    }
    for given in [0.0, 1.0, -1.0] {
        assert_eq!(
            Split::new(&[0, 1, 2], given),
            Err(ProbeError::HeldOut { given })
        );
    }
    let split = Split::new(&[0, 1, 2], 0.9).unwrap();
    assert_eq!(split.episodes(), [2, 1], "two are left to fit on");
    let states = states(&[0.0, 1.0, 2.0], 1, 1);
    assert!(matches!(
        fit(&split, &[0.0; 4], 2, &states),
        Err(ProbeError::Features {
            given: 4,
            width: 2,
            frames: 3
        })
    ));
    assert!(matches!(
        fit(&split, &[0.0, 1.0, f32::NAN], 1, &states),
        Err(ProbeError::NotFinite {
            frame: 2,
            feature: 0,
            ..
        })
    ));
}
