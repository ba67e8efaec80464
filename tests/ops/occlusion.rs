use crate::common::*;
use foveate::ops::OcclusionWindows;
use foveate::tape::{Tape, TapeError, Tensor};

/// The pictures of all items, by the definition.
fn covered(x: &Array, w: &OcclusionWindows, baseline: f64, items: usize) -> Array {
    let [_, c, h, width] = x.shape[..] else {
        panic!()
    };
    let mut y = Array::zeros(&[items, c, h, width]);
    for picture in y.data.chunks_exact_mut(x.data.len()) {
        picture.copy_from_slice(&x.data);
    }
    let [rows, columns] = w.places();
    let mut item = 1;
    for group in 0..w.groups {
        for row in 0..rows {
            for column in 0..columns {
                let channels = group * c / w.groups..(group + 1) * c / w.groups;
                for channel in channels {
                    for i in row * w.stride[0]..(row * w.stride[0] + w.window[0]).min(h) {
                        let from = column * w.stride[1];
                        for j in from..(from + w.window[1]).min(width) {
                            y.data[((item * c + channel) * h + i) * width + j] = baseline;
                        }
                    }
                }
                item += 1;
            }
        }
    }
    y
}

/// What pixels are worth, as captum has it: sums of differences over windows, divided by
/// the number of windows.
fn worth(scores: &[f64], w: &OcclusionWindows) -> Array {
    let ([h, width], [rows, columns]) = (w.picture, w.places());
    let mut sums = Array::zeros(&[w.groups, h, width]);
    let mut counts = sums.clone();
    for (k, score) in scores[1..].iter().enumerate() {
        let (group, row, column) = (k / (rows * columns), k / columns % rows, k % columns);
        for i in row * w.stride[0]..(row * w.stride[0] + w.window[0]).min(h) {
            for j in column * w.stride[1]..(column * w.stride[1] + w.window[1]).min(width) {
                let at = (group * h + i) * width + j;
                sums.data[at] += scores[0] - score;
                counts.data[at] += 1.0;
            }
        }
    }
    let means = sums.data.iter().zip(&counts.data);
    let means = means.map(|(s, n)| s / n).collect();
    Array::new(&sums.shape, means)
}

fn windows(
    picture: [usize; 2],
    window: [usize; 2],
    stride: [usize; 2],
    groups: usize,
) -> OcclusionWindows {
    OcclusionWindows {
        picture,
        window,
        stride,
        groups,
    }
}

/// Windows that end at the border and that it cuts, single pixels, the whole picture.
fn cases() -> Vec<(usize, OcclusionWindows)> {
    vec![
        (1, windows([1, 1], [1, 1], [1, 1], 1)),
        (6, windows([8, 8], [4, 4], [2, 2], 2)),
        (9, windows([13, 10], [5, 3], [3, 2], 3)),
        (3, windows([7, 9], [7, 9], [7, 9], 1)),
        (4, windows([5, 21], [2, 8], [1, 8], 4)),
        (2, windows([4, 3], [1, 1], [1, 1], 2)),
    ]
}

#[test]
fn places_reach_the_border() {
    let places = |picture, window, stride| windows([picture; 2], [window; 2], [stride; 2], 1);
    for (picture, window, stride, along) in [(84, 8, 4, 20), (84, 10, 6, 14), (8, 8, 8, 1)] {
        assert_eq!(places(picture, window, stride).places(), [along; 2]);
    }
    assert_eq!(windows([84; 2], [8; 2], [4; 2], 3).count(), 1_200);
}

/// All items in batches of a size that does not divide them.
#[test]
fn windows_are_covered_one_after_the_other() {
    for (channels, w) in cases() {
        let x = random(&mut rng(1), &[1, channels, w.picture[0], w.picture[1]]);
        let items = 1 + w.count();
        let tape = Tape::new();
        let picture = tape.constant(&x.shape, &x.f32()).unwrap();
        let number = tape.input("number", Tensor::u32(&[1]));
        let y = picture.occlude(&number, 5, w, -7.5).unwrap();
        tape.output("y", &y);
        let program = tape.compile(&gpu()).unwrap();
        let batches = items.div_ceil(5);
        // Those after the last are the picture itself.
        let expected = covered(&x, &w, -7.5, 5 * batches);
        let mut got: Vec<f32> = vec![];
        for batch in 0..batches as u32 {
            program.poison().unwrap();
            program.write("number", &[batch]).unwrap();
            program.run().unwrap();
            got.extend(program.read_blocking::<f32>("y").unwrap());
        }
        assert_eq!(got, expected.f32(), "{w:?}");
    }
}

#[test]
fn a_pixel_is_worth_the_mean_of_its_windows() {
    for (_, w) in cases() {
        let scores = random(&mut rng(2), &[1 + w.count()]);
        Check::new("occlusion_map", vec![scores])
            .without_gradient(0)
            .run(|_, v| v[0].occlusion_map(w), |a| worth(&a[0].data, &w));
    }
}

#[test]
fn windows_that_are_none_are_refused() {
    let tape = Tape::new();
    let number = tape.input("number", Tensor::u32(&[1]));
    let x = tape.full(&[1, 6, 8, 10], 0.0);
    let says = |result: Result<foveate::tape::Var, TapeError>, words: &[&str]| {
        let message = result.unwrap_err().to_string();
        assert!(words.iter().all(|w| message.contains(w)), "{message}");
    };
    let occlude = |w| x.occlude(&number, 4, w, 0.0);
    assert!(occlude(windows([8, 10], [8, 3], [1, 3], 2)).is_ok());
    says(
        occlude(windows([8, 10], [9, 3], [1, 3], 2)),
        &["height is 9", "the picture's, 8"],
    );
    says(
        occlude(windows([8, 10], [8, 0], [1, 1], 2)),
        &["width is 0"],
    );
    says(
        occlude(windows([8, 10], [8, 3], [1, 4], 2)),
        &["stride is 4", "1 to 3"],
    );
    says(occlude(windows([8, 10], [8, 3], [1, 3], 0)), &["0 groups"]);
    says(
        occlude(windows([8, 10], [8, 3], [1, 3], 4)),
        &["multiple of 4"],
    );
    says(
        occlude(windows([8, 9], [8, 3], [1, 3], 2)),
        &["[1, 6, 8, 10]"],
    );
    says(
        x.occlusion_map(windows([8, 10], [8, 3], [1, 3], 2)),
        &["occlusion_map", "f32[9]"],
    );
    // Asked before they are checked, they are none.
    for none in [
        windows([8, 10], [9, 11], [1, 1], 2),
        windows([8, 10], [8, 3], [0, 0], 2),
    ] {
        assert_eq!((none.places(), none.count()), ([0, 0], 0));
    }
}
