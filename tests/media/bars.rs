//! Bar charts.

use foveate::media::Rgb8;
use foveate::media::bars::{Bar, Bars};

const BLUE: [u8; 3] = [0, 114, 178];
const ORANGE: [u8; 3] = [230, 159, 0];

fn chart(values: &[(f64, usize)]) -> Bars {
    Bars {
        title: "Per cent of the ceiling".into(),
        bars: (values.iter())
            .map(|&(value, kind)| Bar {
                label: "conv2d forward".into(),
                detail: "16×32×41×41 → 32".into(),
                value,
                note: "22.9 GFLOP/s".into(),
                kind,
            })
            .collect(),
        kinds: vec!["products".into(), "memory".into()],
        full: 100.0,
        unit: " %".into(),
    }
}

/// Pixels of a colour below the legend, in each row of the picture that has some:
/// one number per bar.
fn lengths(picture: &Rgb8, colour: [u8; 3]) -> Vec<usize> {
    let mut bars = vec![];
    let mut inside = false;
    for y in 80..picture.height() {
        let row = (0..picture.width()).filter(|&x| picture.get(x, y) == Some(colour));
        let count = row.count();
        if count > 0 && !inside {
            bars.push(count);
        }
        inside = count > 0;
    }
    bars
}

#[test]
fn bars_are_as_long_as_their_values_and_coloured_by_kind() {
    let picture = chart(&[(25.0, 0), (100.0, 1), (50.0, 0)]).render().unwrap();
    let [quarter, half] = lengths(&picture, BLUE)[..] else {
        panic!("two blue bars");
    };
    let [full] = lengths(&picture, ORANGE)[..] else {
        panic!("one orange bar");
    };
    // The axis and the line at 100 cover a pixel each.
    assert!(half.abs_diff(2 * quarter) <= 2, "{quarter} {half}");
    assert!(full.abs_diff(2 * half) <= 3, "{half} {full}");
}

#[test]
fn a_bar_beyond_the_scale_is_cut_and_shows_it() {
    let picture = chart(&[(150.0, 0), (400.0, 0)]).render().unwrap();
    let [whole, cut] = lengths(&picture, BLUE)[..] else {
        panic!("two bars");
    };
    assert_eq!(whole - cut, 2 * 3, "two gaps of three pixels");
}

#[test]
fn nothing_to_draw_and_values_that_are_none_are_drawn_all_the_same() {
    Bars::default().render().unwrap();
    let picture = chart(&[(f64::NAN, 0), (f64::INFINITY, 0), (-3.0, 0)])
        .render()
        .unwrap();
    assert!(lengths(&picture, BLUE).iter().all(|&length| length <= 1));
    let mut odd = chart(&[(1.0, 99)]);
    (odd.full, odd.title) = (0.0, "long ".repeat(200));
    odd.render().unwrap();
    let many = chart(&[(1.0, 0); 50]).render().unwrap();
    assert!(many.height() > chart(&[(1.0, 0)]).render().unwrap().height());
}
