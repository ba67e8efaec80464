use crate::common::*;
use foveate::tape::{Tape, Tensor};

/// Position of output pixel i on the source axis, in float64.
type Position = fn(usize, usize, usize) -> f64;

fn nearest(i: usize, n: usize, out: usize) -> f64 {
    (i * n / out) as f64
}

fn half_pixel(i: usize, n: usize, out: usize) -> f64 {
    ((i as f64 + 0.5) * n as f64 / out as f64 - 0.5).clamp(0.0, (n - 1) as f64)
}

fn aligned(i: usize, n: usize, out: usize) -> f64 {
    if out == 1 {
        0.0
    } else {
        i as f64 * (n - 1) as f64 / (out - 1) as f64
    }
}

fn reference(x: &Array, height: usize, width: usize, position: Position) -> Array {
    let [b, c, h, w] = x.shape[..] else { panic!() };
    let mut y = Array::zeros(&[b, c, height, width]);
    for plane in 0..b * c {
        for i in 0..height {
            for j in 0..width {
                let (p, q) = (position(i, h, height), position(j, w, width));
                let mut sum = 0.0;
                for (row, row_weight) in
                    [(p.floor(), 1.0 - p.fract()), (p.floor() + 1.0, p.fract())]
                {
                    for (column, weight) in
                        [(q.floor(), 1.0 - q.fract()), (q.floor() + 1.0, q.fract())]
                    {
                        let row = (row as usize).min(h - 1);
                        let column = (column as usize).min(w - 1);
                        sum += row_weight * weight * x.data[(plane * h + row) * w + column];
                    }
                }
                y.data[(plane * height + i) * width + j] = sum;
            }
        }
    }
    y
}

const SIZES: [([usize; 4], usize, usize); 9] = [
    ([1, 1, 1, 1], 1, 1),
    ([1, 1, 1, 1], 5, 3),
    ([2, 1, 7, 5], 1, 1),
    ([2, 3, 4, 6], 8, 12),
    ([1, 2, 8, 12], 4, 6),
    ([2, 2, 5, 7], 13, 4),
    ([1, 1, 13, 3], 5, 29),
    ([1, 3, 9, 9], 9, 9),
    ([1, 1, 31, 17], 3, 2),
];

#[test]
fn nearest_neighbour() {
    for (i, (shape, height, width)) in SIZES.into_iter().enumerate() {
        let x = random(&mut rng(i as u64), &shape);
        Check::new("resize_nearest", vec![x])
            .tolerances(0.0, 2e-5)
            .run(
                |_, v| v[0].resize_nearest(height, width),
                |a| reference(&a[0], height, width, nearest),
            );
    }
}

#[test]
fn bilinear() {
    for (i, (shape, height, width)) in SIZES.into_iter().enumerate() {
        let x = random(&mut rng(i as u64), &shape);
        for (align, position) in [(false, half_pixel as Position), (true, aligned)] {
            Check::new("resize_bilinear", vec![x.clone()]).run(
                |_, v| v[0].resize_bilinear(height, width, align),
                |a| reference(&a[0], height, width, position),
            );
        }
    }
}

/// Numbers that PyTorch's `interpolate` gives for [0, 1, 2, 3] at width 6 and 3.
#[test]
fn known_rows() {
    for (out, align, expected) in [
        (6, true, vec![0.0, 0.6, 1.2, 1.8, 2.4, 3.0]),
        (3, true, vec![0.0, 1.5, 3.0]),
        (8, false, vec![0.0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3.0]),
        (2, false, vec![0.5, 2.5]),
    ] {
        let tape = Tape::new();
        let x = tape.constant(&[1, 1, 1, 4], &[0.0, 1.0, 2.0, 3.0]).unwrap();
        let y = x.resize_bilinear(1, out, align).unwrap();
        assert_close("row", &computed(&tape, &y), &expected, 1e-6);
    }
}

#[test]
fn the_same_size_changes_no_bit_and_large_numbers_do_not_overflow() {
    let data = [3e38f32, -3e38, 1e-30, 7.25, -0.125, 3e38];
    for align in [false, true] {
        let tape = Tape::new();
        let x = tape.constant(&[1, 1, 2, 3], &data).unwrap();
        assert_eq!(
            computed(&tape, &x.resize_bilinear(2, 3, align).unwrap()),
            data
        );
        let tape = Tape::new();
        let x = tape.constant(&[1, 1, 2, 3], &data).unwrap();
        let larger = computed(&tape, &x.resize_bilinear(7, 11, align).unwrap());
        assert!(larger.iter().all(|v| v.is_finite()));
    }
}

#[test]
fn mistakes() {
    let tape = Tape::new();
    let x = tape.input("x", Tensor::f32(&[2, 3, 8, 8]));
    assert!(
        x.resize_nearest(0, 4)
            .unwrap_err()
            .to_string()
            .contains("0×4")
    );
    assert!(
        x.resize_bilinear(4, 1 << 20, false)
            .unwrap_err()
            .to_string()
            .contains("16384")
    );
    let flat = tape.input("flat", Tensor::f32(&[2, 8]));
    assert!(
        flat.resize_nearest(4, 4)
            .unwrap_err()
            .to_string()
            .contains("f32[2, 8]")
    );
}
