use crate::common::*;
use foveate::ops::{RiseMasks, Stream};
use foveate::tape::{Tape, TapeError, Tensor};

fn masks(picture: [usize; 2], cells: usize, probability: f32) -> RiseMasks {
    RiseMasks {
        picture,
        cells,
        probability,
        stream: Stream {
            seed: 0xABCD_0123_4567,
            stream: 3,
        },
    }
}

/// Mask `i` in float64: the grid enlarged as scikit-image and TensorFlow do (half-pixel
/// centres, held at the border), and the part that the picture sees.
fn mask(m: &RiseMasks, i: u32) -> Vec<f64> {
    let (words, s) = (m.on_cpu(i), m.cells);
    let ([h, w], cell) = (m.picture, m.cell());
    let offset = [words[s * s] as usize, words[s * s + 1] as usize];
    let place = |i: usize, axis: usize| -> f64 {
        let enlarged = ((s + 1) * cell[axis]) as f64;
        let at = ((i + offset[axis]) as f64 + 0.5) * s as f64 / enlarged - 0.5;
        at.clamp(0.0, (s - 1) as f64)
    };
    let cell_at =
        |row: usize, column: usize| f64::from(words[row.min(s - 1) * s + column.min(s - 1)]);
    let mut values = vec![];
    for y in 0..h {
        for x in 0..w {
            let (p, q) = (place(y, 0), place(x, 1));
            let (r, c) = (p.floor() as usize, q.floor() as usize);
            let (f, g) = (p.fract(), q.fract());
            values.push(
                (1.0 - f) * ((1.0 - g) * cell_at(r, c) + g * cell_at(r, c + 1))
                    + f * ((1.0 - g) * cell_at(r + 1, c) + g * cell_at(r + 1, c + 1)),
            );
        }
    }
    values
}

fn cases() -> Vec<RiseMasks> {
    vec![
        masks([1, 1], 1, 0.5),
        masks([9, 9], 1, 0.5),
        masks([12, 12], 4, 0.25),
        masks([13, 22], 5, 0.5),
        masks([84, 84], 7, 0.5),
        masks([8, 10], 8, 1.0),
    ]
}

/// A mask has the same words in whatever batch it is, and those of the CPU twin.
#[test]
fn words_depend_on_the_number_of_the_mask_alone() {
    for m in cases() {
        let expected: Vec<u32> = (0..30).flat_map(|i| m.on_cpu(i)).collect();
        for batch in [1, 7, 30] {
            let tape = Tape::new();
            let number = tape.input("number", Tensor::u32(&[1]));
            tape.output("grids", &number.rise_grids(m, batch).unwrap());
            let program = tape.compile(&gpu()).unwrap();
            let mut got: Vec<u32> = vec![];
            for i in 0..30usize.div_ceil(batch) as u32 {
                program.poison().unwrap();
                program.write("number", &[i]).unwrap();
                program.run().unwrap();
                got.extend(program.read_blocking::<u32>("grids").unwrap());
            }
            got.truncate(expected.len());
            assert_eq!(got, expected, "{m:?} in batches of {batch}");
        }
    }
}

#[test]
fn cells_are_open_as_often_as_asked_and_offsets_within_a_cell() {
    let m = masks([84, 60], 7, 0.3);
    assert_eq!(m.cell(), [12, 9]);
    let (count, cells) = (2_000u32, 49);
    let (mut open, mut offsets) = (0, [[0u32; 12]; 2]);
    for i in 0..count {
        let words = m.on_cpu(i);
        open += words[..cells].iter().sum::<u32>();
        for axis in 0..2 {
            offsets[axis][words[cells + axis] as usize] += 1;
        }
    }
    let n = f64::from(count) * cells as f64;
    let share = f64::from(open) / n;
    assert!((share - 0.3).abs() < 5.0 * (0.21 / n).sqrt(), "{share}");
    for (histogram, places) in offsets.iter().zip([12, 9]) {
        let expected = f64::from(count) / places as f64;
        for &h in &histogram[..places] {
            assert!(
                (f64::from(h) - expected).abs() < 5.0 * expected.sqrt(),
                "{h}"
            );
        }
        assert!(histogram[places..].iter().all(|&h| h == 0));
    }
    // With certainty everything is open, and the picture stays as it is.
    assert!(mask(&masks([8, 10], 8, 1.0), 5).iter().all(|&v| v == 1.0));
}

#[test]
fn pictures_behind_masks() {
    for m in cases() {
        let [h, w] = m.picture;
        let (count, channels) = (11, 2);
        let x = random(&mut rng(4), &[1, channels, h, w]);
        Check::new("rise_masked", vec![x]).without_gradient(0).run(
            |tape, v| {
                let number = tape.input("number", Tensor::u32(&[1]));
                v[0].rise_masked(&number.rise_grids(m, count)?, m)
            },
            |a| {
                let mut y = Array::zeros(&[count, channels, h, w]);
                for (i, v) in y.data.iter_mut().enumerate() {
                    let of_picture = i % (channels * h * w);
                    let mask = i / (channels * h * w);
                    *v = a[0].data[of_picture] * mask_at(&m, mask as u32, of_picture % (h * w));
                }
                y
            },
        );
    }
}

fn mask_at(m: &RiseMasks, i: u32, pixel: usize) -> f64 {
    thread_local!(static MASKS: std::cell::RefCell<Vec<(RiseMasks, u32, Vec<f64>)>> =
        const { std::cell::RefCell::new(vec![]) });
    MASKS.with_borrow_mut(|known| {
        if let Some((_, _, values)) = known.iter().find(|(k, j, _)| k == m && *j == i) {
            return values[pixel];
        }
        known.push((*m, i, mask(m, i)));
        known.last().unwrap().2[pixel]
    })
}

/// Of more masks than one invocation adds up, and of fewer.
#[test]
fn sums_of_weighted_masks() {
    for (m, count) in [
        (masks([1, 1], 1, 0.5), 1),
        (masks([9, 13], 3, 0.5), 256),
        (masks([20, 12], 5, 0.4), 700),
    ] {
        let weights = random(&mut rng(5), &[count]);
        Check::new("rise_sum", vec![weights])
            .without_gradient(0)
            .run(
                |tape, v| {
                    let number = tape.input("number", Tensor::u32(&[1]));
                    v[0].rise_sum(&number.rise_grids(m, count)?, m)
                },
                |a| {
                    let mut y = Array::zeros(&[1, m.picture[0], m.picture[1]]);
                    for (i, weight) in a[0].data.iter().enumerate() {
                        for (sum, v) in y.data.iter_mut().zip(mask(&m, i as u32)) {
                            *sum += weight * v;
                        }
                    }
                    y
                },
            );
    }
}

#[test]
fn mistakes() {
    let tape = Tape::new();
    let number = tape.input("number", Tensor::u32(&[1]));
    let says = |result: Result<foveate::tape::Var, TapeError>, words: &[&str]| {
        let message = result.unwrap_err().to_string();
        assert!(words.iter().all(|w| message.contains(w)), "{message}");
    };
    says(
        number.rise_grids(masks([8, 12], 9, 0.5), 3),
        &["9 cells", "1 to 8"],
    );
    let none = masks([8, 12], 0, 0.5);
    says(number.rise_grids(none, 3), &["0 cells"]);
    // Asked before they are checked, they have one cell and no word of it.
    assert_eq!((none.cell(), none.words()), ([8, 12], 2));
    assert_eq!(none.on_cpu(5).len(), 2);
    for probability in [0.0, -0.5, 1.5, f32::NAN] {
        says(
            number.rise_grids(masks([8, 12], 4, probability), 3),
            &["probability", "above 0"],
        );
    }
    says(number.rise_grids(masks([8, 12], 4, 0.5), 0), &["1 mask"]);
    let m = masks([8, 12], 4, 0.5);
    let grids = number.rise_grids(m, 3).unwrap();
    let wrong = tape.full(&[1, 3, 8, 11], 0.0);
    says(
        wrong.rise_masked(&grids, m),
        &["[1, 3, 8, 11]", "u32[M, 18]"],
    );
    says(
        tape.full(&[4], 0.0).rise_sum(&grids, m),
        &["rise_sum", "f32[4]"],
    );
}
