//! Learning curves.

use foveate::media::Rgb8;
use foveate::media::curve::{Curve, Series};
use proptest::prelude::*;

fn curve() -> Curve {
    Curve {
        title: "SGQN".into(),
        x_label: "agent steps".into(),
        y_label: "return".into(),
        episodes: (0..40).map(|i| (f64::from(i * 50), f64::from(i))).collect(),
        smooth: 5,
        evaluations: vec![Series {
            label: "train".into(),
            points: (0..5)
                .map(|i| (f64::from(i * 500), f64::from(i * 10)))
                .collect(),
            ..Series::default()
        }],
        references: vec![("random".into(), 3.0), ("expert".into(), 45.0)],
    }
}

/// Mean row of the pixels in the first mode's colour within some columns of the plot.
fn height_of_first_mode(picture: &Rgb8, columns: std::ops::Range<usize>) -> f64 {
    let rows: Vec<f64> = (0..picture.height())
        .flat_map(|y| columns.clone().map(move |x| (x, y)))
        .filter(|&(x, y)| picture.get(x, y) == Some([0, 114, 178]))
        .map(|(_, y)| y as f64)
        .collect();
    assert!(!rows.is_empty(), "no line in columns {columns:?}");
    rows.iter().sum::<f64>() / rows.len() as f64
}

#[test]
fn a_rising_return_is_drawn_rising() {
    let picture = curve().render().unwrap();
    assert_eq!((picture.width(), picture.height()), (1000, 600));
    let [left, middle, right] =
        [100..150, 400..450, 700..750].map(|c| height_of_first_mode(&picture, c));
    assert!(left > middle + 50.0 && middle > right + 50.0);
    // A straight line: equal steps of x are equal steps of y.
    assert!(((left - middle) - (middle - right)).abs() < 12.0);
}

/// Pixels of a column in a pale blue, as bands of the first mode are.
fn height_of_band(picture: &Rgb8, column: usize) -> usize {
    let pale = |&y: &usize| {
        let [red, green, blue] = picture.get(column, y).unwrap();
        (180..225).contains(&red) && green > red && blue > green
    };
    (0..picture.height()).filter(pale).count()
}

#[test]
fn a_band_is_as_high_as_values_scatter() {
    let series = |spread: Vec<f64>| Series {
        label: "sgqn".into(),
        points: vec![(0.0, 50.0), (50.0, 50.0), (100.0, 50.0)],
        spread,
    };
    let drawn = |spread| {
        let evaluations = vec![series(spread)];
        let curve = Curve {
            evaluations,
            ..Curve::default()
        };
        curve.render().unwrap()
    };
    // 10 on the left, 20 on the right; the axes hold it all.
    let picture = drawn(vec![10.0, 15.0, 20.0]);
    let [left, right] = [100, 760].map(|column| height_of_band(&picture, column));
    assert!(left > 150 && right > 400, "{left}, {right}");
    let ratio = right as f64 / left as f64;
    assert!((1.8..2.1).contains(&ratio), "{left}, {right}");
    assert_eq!(height_of_band(&picture, 840), 0, "outside of the plot");
    // What has no neighbour with a band is no area.
    let picture = drawn(vec![10.0, f64::NAN, 20.0]);
    // But for the line's own edges.
    let gap = [200, 600].map(|column| height_of_band(&picture, column));
    assert!(gap.iter().all(|pixels| *pixels < 5), "{gap:?}");
    assert_eq!(drawn(vec![f64::NAN; 3]), drawn(vec![]));
}

#[test]
fn points_that_cannot_be_drawn_are_left_out() {
    let clean = curve().render().unwrap();
    let mut odd = curve();
    for y in [f64::NAN, f64::INFINITY, -1e300] {
        odd.episodes.insert(3, (120.0, y));
        odd.evaluations[0].points.push((y, 4.0));
    }
    odd.references.push(("nothing".into(), f64::NAN));
    assert_eq!(odd.render().unwrap(), clean);
}

#[test]
fn scarce_points_make_a_picture() {
    let blank = Curve::default().render().unwrap();
    let one = Curve {
        evaluations: vec![Series {
            label: "train".into(),
            points: vec![(10.0, 5.0)],
            ..Series::default()
        }],
        ..Curve::default()
    };
    let picture = one.render().unwrap();
    assert_ne!(picture, blank);
    height_of_first_mode(&picture, 90..780);
    let constant = Curve {
        episodes: (0..9).map(|i| (f64::from(i), -4.0)).collect(),
        ..Curve::default()
    };
    assert_ne!(constant.render().unwrap(), blank);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn no_value_makes_a_curve_panic(points in prop::collection::vec((any::<f64>(), any::<f64>()), 0..4), spread in prop::collection::vec(any::<f64>(), 0..4), exponent in -320i32..320) {
        let scale = 10f64.powi(exponent);
        let near = points.iter().map(|(x, y)| (x.signum() * scale, y.signum() * scale)).collect();
        let curve = Curve {
            episodes: points.clone(),
            smooth: 2,
            evaluations: vec![Series { label: "a".into(), points: near, spread: spread.clone() }],
            references: points.into_iter().map(|(x, _)| ("r".into(), x)).collect(),
            ..Curve::default()
        };
        curve.render().unwrap();
    }
}
