use crate::common::golden::Golden;
use crate::common::*;
use foveate::ops::{Stream, philox4x32_10};
use foveate::tape::{Tape, Tensor};
use rand::RngExt;

/// The blend in float64, by torchvision's definition: cut the window, resize it, mirror it.
fn reference(x: &Array, bank: &[u8], size: usize, crops: &[f32]) -> Array {
    let [b, c, h, w] = x.shape[..] else { panic!() };
    let position = |i: usize, n: usize, out: usize| -> f64 {
        ((i as f64 + 0.5) * n as f64 / out as f64 - 0.5).clamp(0.0, (n - 1) as f64)
    };
    let mut y = Array::zeros(&x.shape);
    for s in 0..b {
        let field = |k: usize| crops[6 * s + k] as usize;
        let (top, left, height, width) = (field(1), field(2), field(3), field(4));
        for k in 0..c {
            let texel = |row: usize, column: usize| -> f64 {
                let (row, column) = (row.min(height - 1), column.min(width - 1));
                let plane = field(0) * 3 + k % 3;
                bank[(plane * size + top + row) * size + left + column].into()
            };
            for i in 0..h {
                for j in 0..w {
                    let mirrored = if field(5) == 1 { w - 1 - j } else { j };
                    let (p, q) = (position(i, height, h), position(mirrored, width, w));
                    let (r, t) = (p.floor() as usize, q.floor() as usize);
                    let pixel = (1.0 - p.fract()) * (1.0 - q.fract()) * texel(r, t)
                        + (1.0 - p.fract()) * q.fract() * texel(r, t + 1)
                        + p.fract() * (1.0 - q.fract()) * texel(r + 1, t)
                        + p.fract() * q.fract() * texel(r + 1, t + 1);
                    let before = x.at(&[s, k, i, j]);
                    y.data[((s * c + k) * h + i) * w + j] =
                        255.0 * (0.5 * before / 255.0 + 0.5 * pixel / 255.0);
                }
            }
        }
    }
    y
}

fn bytes(n: usize) -> Vec<u8> {
    let mut rng = rng(2);
    (0..n).map(|_| rng.random_range(0..=255)).collect()
}

#[test]
fn windows_sizes_and_mirrors() {
    let windows = vec![
        [1.0, 4.0, 3.0, 12.0, 12.0, 1.0],
        [0.0, 1.0, 0.0, 5.0, 15.0, 0.0],
    ];
    for (shape, pictures, size, crops) in [
        (vec![1, 3, 1, 1], 1, 1, vec![[0.0, 0.0, 0.0, 1.0, 1.0, 0.0]]),
        (
            vec![3, 9, 7, 5],
            4,
            11,
            vec![
                [3.0, 0.0, 0.0, 11.0, 11.0, 0.0],
                [0.0, 2.0, 5.0, 3.0, 6.0, 1.0],
                [2.0, 10.0, 10.0, 1.0, 1.0, 1.0],
            ],
        ),
        (vec![2, 6, 12, 12], 2, 16, windows.clone()),
        // Planes that several workgroups share; the last one's part is short.
        (vec![2, 6, 30, 45], 2, 16, windows.clone()),
        (vec![2, 6, 50, 84], 2, 16, windows.clone()),
    ] {
        let bank = bytes(pictures * 3 * size * size);
        let crops = crops.concat();
        let x = random_in(&mut rng(1), &shape, 0.0, 255.0);
        Check::new("overlay", vec![x]).run(
            |tape, v| {
                let crops = tape.constant(&[shape[0], 6], &crops)?;
                v[0].overlay(&fixed_u8(tape, &[pictures, 3, size, size], &bank), &crops)
            },
            |a| reference(&a[0], &bank, size, &crops),
        );
    }
}

#[test]
fn a_window_of_the_pictures_own_size_is_taken_as_it_is() {
    let bank = bytes(2 * 3 * 9 * 9);
    let tape = Tape::new();
    let x = tape.full(&[1, 3, 5, 6], 0.0);
    let crops = tape
        .constant(&[1, 6], &[1.0, 3.0, 2.0, 5.0, 6.0, 0.0])
        .unwrap();
    let y = x
        .overlay(&fixed_u8(&tape, &[2, 3, 9, 9], &bank), &crops)
        .unwrap();
    let mut expected = vec![];
    for colour in 0..3 {
        for i in 0..5 {
            for j in 0..6 {
                expected.push(0.5 * f32::from(bank[((3 + colour) * 9 + 3 + i) * 9 + 2 + j]));
            }
        }
    }
    assert_eq!(computed(&tape, &y), expected);
}

/// Numbers that are no window are moved to the nearest that is: as if written so.
#[test]
fn windows_outside_the_bank_are_moved_inside() {
    let bank = bytes(2 * 3 * 8 * 8);
    let wild = [
        [1e30, -5.0, 9.0, 100.0, 0.0, 1.0],
        [-1.0, 6.0, 7.0, 9.0, 1e9, 0.0],
    ]
    .concat();
    let tame = [
        [1.0, 0.0, 7.0, 8.0, 1.0, 1.0],
        [0.0, 6.0, 7.0, 2.0, 1.0, 0.0],
    ]
    .concat();
    let results = [wild, tame].map(|crops| {
        let tape = Tape::new();
        let x = tape.full(&[2, 3, 4, 4], 10.0);
        let crops = tape.constant(&[2, 6], &crops).unwrap();
        let y = x
            .overlay(&fixed_u8(&tape, &[2, 3, 8, 8], &bank), &crops)
            .unwrap();
        computed(&tape, &y)
    });
    assert_eq!(results[0], results[1]);
}

#[test]
fn golden() {
    let (file, pool) = (Golden::open("sgqn/07c_augment"), Golden::open("sgqn/pool"));
    let (shape, obs) = pool.f32("pool.obs");
    let (pictures_shape, pictures) = pool.u8("pool.picture_step2");
    let rows = file.i32("overlay.input.index").1;
    let stack = shape[1..].iter().product::<usize>();
    let batch: Vec<f32> = rows
        .iter()
        .flat_map(|&r| obs[r as usize * stack..][..stack].to_vec())
        .collect();
    let crops: Vec<f32> = (0..rows.len())
        .flat_map(|i| [i as f32, 0.0, 0.0, 84.0, 84.0, 0.0])
        .collect();
    let tape = Tape::new();
    let x = tape.constant(&[rows.len(), 9, 84, 84], &batch).unwrap();
    let crops = tape.constant(&[rows.len(), 6], &crops).unwrap();
    let y = x
        .overlay(&fixed_u8(&tape, &pictures_shape, &pictures), &crops)
        .unwrap();
    let got = computed(&tape, &y);
    let (_, expected) = file.f32("overlay.out.sample1_channels_0_4_8");
    let plane = 84 * 84;
    for (i, channel) in [0, 4, 8].into_iter().enumerate() {
        let got = &got[stack + channel * plane..][..plane];
        for (a, b) in got.iter().zip(&expected[i * plane..]) {
            assert!((a - b).abs() <= 5e-4, "{a}, expected {b}");
        }
    }
}

const STREAM: Stream = Stream { seed: 5, stream: 3 };

fn draw(batch: usize, pictures: usize, size: usize, step: u32) -> Vec<f32> {
    let tape = Tape::new();
    let crops = fixed_u32(&tape, &[1], &[step])
        .random_resized_crops(STREAM, batch, pictures, size)
        .unwrap();
    assert_eq!(crops.shape(), [batch, 6]);
    computed(&tape, &crops)
}

/// torchvision's rule in float64, from the same random words.
#[test]
fn windows_are_drawn_as_torchvision_draws_them() {
    let (batch, pictures, size, step) = (3000, 17, 96, 4);
    let got = draw(batch, pictures, size, step);
    let mut shifted = 0;
    for (b, crop) in got.chunks(6).enumerate() {
        let words = |k: u32| philox4x32_10([b as u32 * 11 + k, step, STREAM.stream, 0], [5, 0]);
        let below = |word: u32, n: usize| ((u64::from(word) * n as u64) >> 32) as f32;
        let unit = |word: u32| f64::from(word >> 8) / f64::from(1 << 24);
        let side = size as f64;
        let fitting = (1..=10).find_map(|attempt| {
            let drawn = words(attempt);
            let area = side * side * (0.08 + 0.92 * unit(drawn[0]));
            let ratio = ((4.0f64 / 3.0).ln() * (2.0 * unit(drawn[1]) - 1.0)).exp();
            let (w, h) = ((area * ratio).sqrt().round(), (area / ratio).sqrt().round());
            (w <= side && h <= side).then_some((h, w))
        });
        let (h, w) = fitting.unwrap_or((side, side));
        let drawn = words(0);
        assert_eq!(crop[0], below(drawn[0], pictures));
        assert_eq!(crop[5], if drawn[1] >= 1 << 31 { 1.0 } else { 0.0 });
        if (f64::from(crop[3]), f64::from(crop[4])) == (h, w) {
            assert_eq!(crop[1], below(drawn[2], size - h as usize + 1));
            assert_eq!(crop[2], below(drawn[3], size - w as usize + 1));
        } else {
            // A side within rounding of a half.
            shifted += 1;
        }
        assert!(crop[1] + crop[3] <= size as f32 && crop[2] + crop[4] <= size as f32);
    }
    assert!(shifted <= 3, "{shifted} windows of another size");
}

#[test]
fn windows_change_with_the_step_and_fit_tiny_pictures() {
    assert_eq!(draw(7, 3, 50, 1), draw(7, 3, 50, 1));
    assert_ne!(draw(7, 3, 50, 1), draw(7, 3, 50, 2));
    for crop in draw(70, 1, 1, 0).chunks(6) {
        assert_eq!(crop[..5], [0.0, 0.0, 0.0, 1.0, 1.0]);
    }
}

#[test]
fn mistakes() {
    let tape = Tape::new();
    let x = tape.input("x", Tensor::f32(&[2, 4, 8, 8]));
    let bank = tape.input("bank", Tensor::u8(&[5, 3, 8, 8]));
    let crops = tape.input("crops", Tensor::f32(&[2, 6]));
    let error = x.overlay(&bank, &crops).unwrap_err().to_string();
    assert!(
        error.contains("f32[2, 4, 8, 8]") && error.contains("3F"),
        "{error}"
    );
    let step = tape.input("step", Tensor::u32(&[1]));
    let error = step
        .random_resized_crops(STREAM, 4, 0, 8)
        .unwrap_err()
        .to_string();
    assert!(error.contains("number of pictures of 0"), "{error}");
    assert!(crops.random_resized_crops(STREAM, 4, 1, 8).is_err());
}
