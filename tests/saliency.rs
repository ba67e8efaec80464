//! Attributions that ask about many changed pictures, from end to end, against float64:
//! changing, valuing in batches, adding up.

#[path = "common/mod.rs"]
mod common;

use common::*;
use foveate::saliency::{BlackBox, Occlusion, QuantileMask, Questions, Rise};

const CHANNELS: usize = 6;
const FRAMES: usize = 2;
const SIDES: [usize; 2] = [11, 14];

/// A value of pictures that is not linear in them: Σ w x + (Σ w x²) / 8 over a picture.
fn questions(black_box: &dyn BlackBox, weights: &Array, batch: usize) -> Questions {
    let value = |tape: &foveate::tape::Tape, x: &foveate::tape::Var| {
        let w = tape.constant(&weights.shape, &weights.f32())?;
        let linear = x.mul(&w)?;
        let terms = linear.add(&linear.mul(x)?.scale(0.125)?)?;
        terms.sum(1..4)?.reshape(&[x.shape()[0], 1])
    };
    let finish = |tape: &foveate::tape::Tape, map: &foveate::tape::Var| {
        tape.output("map", map);
        Ok(())
    };
    Questions::new(&gpu(), black_box, CHANNELS, SIDES, batch, value, finish).unwrap()
}

fn value(x: &[f64], weights: &Array) -> f64 {
    let terms = x.iter().zip(&weights.data);
    terms.map(|(x, w)| w * x + w * x * x / 8.0).sum()
}

fn picture_and_weights() -> (Array, Array) {
    let shape = [1, CHANNELS, SIDES[0], SIDES[1]];
    (random(&mut rng(1), &shape), random(&mut rng(2), &shape))
}

fn map(questions: &Questions, x: &Array) -> Vec<f32> {
    questions.ask().poison().unwrap();
    questions.ask().write("pixels", &x.f32()).unwrap();
    let mut done = 0;
    questions.run(&mut |n| done += n).unwrap();
    assert_eq!(done, questions.items());
    questions.read("map").unwrap()
}

/// Σ (f_i − f̄) m_i / (N p), with the masks' words from the CPU.
#[test]
fn rise_is_the_mean_of_masks_weighted_by_what_they_leave() {
    let (x, weights) = picture_and_weights();
    let rise = Rise {
        masks: 300,
        cells: 3,
        probability: 0.4,
        seed: 5,
    };
    let masks = rise.masks(SIDES).unwrap();
    let area = SIDES[0] * SIDES[1];
    let enlarged: Vec<Vec<f64>> = (0..300)
        .map(|i| {
            let words = masks.on_cpu(i);
            let at = |pixel: usize, axis: usize| {
                let place = (pixel + words[9 + axis] as usize) as f64 + 0.5;
                (place * 3.0 / (4 * masks.cell()[axis]) as f64 - 0.5).clamp(0.0, 2.0)
            };
            let cell = |r: usize, c: usize| f64::from(words[r.min(2) * 3 + c.min(2)]);
            (0..area)
                .map(|pixel| {
                    let (p, q) = (at(pixel / SIDES[1], 0), at(pixel % SIDES[1], 1));
                    let (r, c, f, g) = (p as usize, q as usize, p.fract(), q.fract());
                    let above = cell(r, c) * (1.0 - g) + cell(r, c + 1) * g;
                    let below = cell(r + 1, c) * (1.0 - g) + cell(r + 1, c + 1) * g;
                    above * (1.0 - f) + below * f
                })
                .collect()
        })
        .collect();
    let values: Vec<f64> = (enlarged.iter())
        .map(|mask| {
            let seen = x.data.iter().enumerate().map(|(i, v)| v * mask[i % area]);
            value(&seen.collect::<Vec<_>>(), &weights)
        })
        .collect();
    let mean = values.iter().sum::<f64>() / 300.0;
    let expected: Vec<f64> = (0..area)
        .map(|i| {
            let terms = values.iter().zip(&enlarged);
            terms.map(|(f, m)| (f - mean) * m[i]).sum::<f64>() / (300.0 * 0.4)
        })
        .collect();
    let black_box = rise.black_box(SIDES).unwrap();
    for batch in [64, 7, 1_000] {
        let questions = questions(black_box.as_ref(), &weights, batch);
        let got = map(&questions, &x);
        assert_close(&format!("in batches of {batch}"), &got, &expected, 2e-5);
        assert_eq!(got, map(&questions, &x), "twice");
    }
}

/// More masks than the least device binds are refused with how many it does: 51 words each
/// of 7×7 cells, and of large pictures the sums over every 256 of them.
#[test]
fn masks_fit_into_the_smallest_binding() {
    let of = |masks, cells| Rise {
        masks,
        cells,
        ..Default::default()
    };
    const BINDING: usize = 128 << 20;
    for (picture, cells, most) in [
        ([84, 84], 7, BINDING / (4 * 51)),
        ([84, 84], 33, BINDING / (4 * (33 * 33 + 2))),
        ([400, 300], 2, 256 * (BINDING / (4 * 400 * 300))),
    ] {
        assert_eq!(of(most, cells).masks(picture).unwrap().most(), most);
        let error = of(most + 1, cells).masks(picture).unwrap_err().to_string();
        let words = [format!("{} masks", most + 1), format!("{most} fit")];
        assert!(words.iter().all(|w| error.contains(w)), "{error}");
    }
}

#[test]
fn occlusion_is_the_mean_of_what_windows_take_away() {
    let (x, weights) = picture_and_weights();
    for per_frame in [true, false] {
        let occlusion = Occlusion {
            window: [5, 4],
            stride: [3, 4],
            baseline: 0.75,
            per_frame,
        };
        let windows = occlusion.windows(SIDES, FRAMES).unwrap();
        let [rows, columns] = windows.places();
        let (groups, area) = (windows.groups, SIDES[0] * SIDES[1]);
        let mut sums = vec![[0.0f64; 2]; groups * area];
        for k in 0..windows.count() {
            let (group, row, column) = (k / (rows * columns), k / columns % rows, k % columns);
            let inside = |pixel: usize| {
                let (i, j) = (pixel / SIDES[1], pixel % SIDES[1]);
                (3 * row..3 * row + 5).contains(&i) && (4 * column..4 * column + 4).contains(&j)
            };
            let seen = x.data.iter().enumerate().map(|(i, v)| {
                let of_group = i / area / (CHANNELS / groups) == group;
                if of_group && inside(i % area) {
                    0.75
                } else {
                    *v
                }
            });
            let lost = value(&x.data, &weights) - value(&seen.collect::<Vec<_>>(), &weights);
            for pixel in (0..area).filter(|p| inside(*p)) {
                let sum = &mut sums[group * area + pixel];
                *sum = [sum[0] + lost, sum[1] + 1.0];
            }
        }
        let expected: Vec<f64> = sums.iter().map(|[sum, count]| sum / count).collect();
        let black_box = occlusion.black_box(SIDES, FRAMES).unwrap();
        for batch in [16, 5, 1_000] {
            let questions = questions(black_box.as_ref(), &weights, batch);
            let got = map(&questions, &x);
            assert_close(&format!("in batches of {batch}"), &got, &expected, 2e-5);
        }
    }
}

/// What the value does not depend on is worth exactly nothing.
#[test]
fn what_does_not_matter_is_worth_nothing() {
    let (x, mut weights) = picture_and_weights();
    let area = SIDES[0] * SIDES[1];
    for (i, w) in weights.data.iter_mut().enumerate() {
        // Only the second frame's left half counts.
        if i / area < CHANNELS / FRAMES || i % SIDES[1] >= 7 {
            *w = 0.0;
        }
    }
    let occlusion = Occlusion {
        window: [3; 2],
        stride: [3; 2],
        ..Default::default()
    };
    let black_box = occlusion.black_box(SIDES, FRAMES).unwrap();
    let got = map(&questions(black_box.as_ref(), &weights, 32), &x);
    assert!(got[..area].iter().all(|v| *v == 0.0));
    let (left, right): (Vec<_>, Vec<_>) =
        (got[area..].iter().enumerate()).partition(|(i, _)| i % SIDES[1] < 9);
    assert!(right.iter().all(|(_, v)| **v == 0.0));
    assert!(left.iter().any(|(_, v)| **v != 0.0));
}

/// Of a frame that is 0 everywhere an explanation keeps nothing, of one that is nearly so
/// what is not; training keeps all of both.
///
/// Sabotage tried: `kept` gives `mask`. Turns this red.
#[test]
fn what_is_zero_is_not_kept() {
    let (frames, n) = (3, 40);
    let mut map = Array::zeros(&[1, 3 * frames, 5, 8]);
    // The first frame is empty, the second has two pixels, the third all.
    map.data[3 * n + 7] = -0.5;
    map.data[5 * n + 11] = 2.0;
    for pixel in 0..n {
        map.data[6 * n + pixel] = (pixel + 1) as f64;
    }
    let tape = foveate::tape::Tape::new();
    let recorded = tape.constant(&map.shape, &map.f32()).unwrap();
    let looked = QuantileMask::record(&recorded, frames, 0.9).unwrap();
    let kept = looked.kept(&tape).unwrap();
    let count = |mask: &[f32]| -> Vec<f32> { mask.chunks(n).map(|m| m.iter().sum()).collect() };
    assert_eq!(count(&computed(&tape, &looked.mask)), [40.0, 40.0, 4.0]);
    let kept = computed(&tape, &kept);
    assert_eq!(count(&kept), [0.0, 2.0, 4.0]);
    assert_eq!((kept[n + 7], kept[n + 11]), (1.0, 1.0));
}
