use crate::common::*;
use foveate::tape::{Gradient, Tape};

/// Frames that several workgroups share; the last one's part is short.
const LONG: [usize; 4] = [2, 2, 30, 45];
const LONG_IN_FOURS: [usize; 4] = [2, 2, 50, 84];
/// More of them than workgroups in a row: in the second row some have no frame.
const MANY: [usize; 4] = [70_000, 1, 1, 1];

#[test]
fn frame_magnitude_is_the_largest_of_three() {
    for [b, f, h, w] in [
        [1, 1, 1, 1],
        [2, 3, 7, 11],
        [3, 2, 1, 130],
        LONG,
        LONG_IN_FOURS,
    ] {
        let x = random(&mut rng(3), &[b, 3 * f, h, w]);
        Check::new("frame_magnitude", vec![x])
            .tolerances(0.0, 0.0)
            .without_gradient(0)
            .run(
                |_, v| v[0].frame_magnitude(f),
                |a| {
                    let mut y = Array::zeros(&[b, f, h * w]);
                    for (i, v) in a[0].data.iter().enumerate() {
                        let (plane, pixel) = (i / (h * w), i % (h * w));
                        let top = &mut y.data[plane / 3 * h * w + pixel];
                        *top = top.max(v.abs());
                    }
                    y
                },
            );
    }
}

#[test]
fn at_least_counts_equal() {
    let x = Array::new(&[1, 2, 3], vec![1.0, 2.0, 3.0, -1.0, 0.0, -0.0]);
    let threshold = Array::new(&[1, 2, 1], vec![2.0, 0.0]);
    Check::new("at_least", vec![x, threshold])
        .tolerances(0.0, 0.0)
        .without_gradient(0)
        .without_gradient(1)
        .run(
            |_, v| v[0].at_least(&v[1]),
            |_| Array::new(&[1, 2, 3], vec![0.0, 1.0, 1.0, 0.0, 1.0, 1.0]),
        );
}

#[test]
fn at_least_has_a_threshold_for_each_row() {
    for [b, f, h, w] in [[3, 2, 7, 11], LONG, LONG_IN_FOURS, MANY] {
        let n = h * w;
        let x = random(&mut rng(4), &[b, f, n]);
        let threshold = random(&mut rng(5), &[b, f, 1]);
        Check::new("at_least", vec![x, threshold])
            .tolerances(0.0, 0.0)
            .without_gradient(0)
            .without_gradient(1)
            .run(
                |_, v| v[0].at_least(&v[1]),
                |a| {
                    let kept = |(i, &v): (usize, &f64)| f64::from(v >= a[1].data[i / n]);
                    Array::new(&[b, f, n], a[0].data.iter().enumerate().map(kept).collect())
                },
            );
    }
}

fn filled(a: &[Array]) -> Array {
    let [b, c, h, w] = a[0].shape[..] else {
        panic!("four dimensions")
    };
    let mut y = Array::zeros(&[b, c, h, w]);
    for i in 0..y.data.len() {
        let (plane, pixel) = (i / (h * w), i % (h * w));
        let kept = a[1].data[plane / 3 * h * w + pixel] == 1.0;
        y.data[i] = if kept { a[0].data[i] } else { a[2].data[0] };
    }
    y
}

#[test]
fn mask_fill_keeps_what_is_marked() {
    for (flat, [b, f, h, w]) in [
        (true, [1, 1, 1, 1]),
        (true, [2, 3, 7, 11]),
        (false, [2, 2, 9, 8]),
        (false, LONG),
        (true, LONG_IN_FOURS),
    ] {
        let x = random(&mut rng(1), &[b, 3 * f, h, w]);
        let shape = if flat {
            vec![b, f, h * w]
        } else {
            vec![b, f, h, w]
        };
        let mask = random(&mut rng(2), &shape).map(|v| if v > 0.0 { 1.0 } else { 0.0 });
        // Outside of what the picture has, and small: it is in the sums that are differentiated.
        let fill = Array::new(&[1], vec![1.25]);
        Check::new("mask_fill", vec![x, mask, fill])
            .tolerances(0.0, 2e-6)
            .without_gradient(1)
            .without_gradient(2)
            .run(|_, v| v[0].mask_fill(&v[1], &v[2]), filled);
    }
}

/// Neither the mask nor the fill gets a gradient.
#[test]
fn only_the_picture_has_a_gradient() {
    let tape = Tape::new();
    let input = |name: &str, shape: &[usize]| tape.input(name, foveate::tape::Tensor::f32(shape));
    let (x, mask, fill) = (
        input("x", &[1, 3, 2, 2]),
        input("mask", &[1, 1, 4]),
        input("fill", &[1]),
    );
    let sum = x.mask_fill(&mask, &fill).unwrap().sum_all().unwrap();
    let gradients = tape
        .gradients(&sum, &[x, mask, fill], Gradient::True)
        .unwrap();
    assert!(gradients[0].is_some() && gradients[1].is_none() && gradients[2].is_none());
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let tape = Tape::new();
    let x = tape.full(&[2, 9, 4, 5], 1.0);
    let says = |e: foveate::tape::TapeError, words: &[&str]| {
        let message = e.to_string();
        assert!(words.iter().all(|w| message.contains(w)), "{message}");
    };
    says(
        x.frame_magnitude(2).unwrap_err(),
        &["frame_magnitude", "[2, 9, 4, 5]", "6"],
    );
    let magnitude = x.frame_magnitude(3).unwrap();
    says(
        magnitude.at_least(&tape.full(&[2, 1, 1], 0.0)).unwrap_err(),
        &["at_least", "[2, 1, 1]"],
    );
    let (mask, fill) = (tape.full(&[2, 3, 20], 1.0), tape.full(&[1], 0.0));
    assert!(x.mask_fill(&mask, &fill).is_ok());
    says(
        x.mask_fill(&tape.full(&[2, 9, 20], 1.0), &fill)
            .unwrap_err(),
        &["mask_fill", "[2, 9, 20]"],
    );
    says(
        x.mask_fill(&mask, &tape.full(&[2], 0.0)).unwrap_err(),
        &["mask_fill", "f32[2]"],
    );
    says(
        tape.full(&[2, 4, 4, 5], 1.0)
            .mask_fill(&mask, &fill)
            .unwrap_err(),
        &["[2, 4, 4, 5]"],
    );
}
