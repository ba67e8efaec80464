use crate::common::*;
use foveate::tape::{Tape, Tensor};

fn min_max(shape: &[usize], x: &[f32]) -> [f32; 2] {
    let tape = Tape::new();
    let (low, high) = tape.input("x", Tensor::f32(shape)).batch_min_max().unwrap();
    tape.output("low", &low);
    tape.output("high", &high);
    let program = tape.compile(&gpu()).unwrap();
    program.poison().unwrap();
    program.write("x", x).unwrap();
    program.run().unwrap();
    ["low", "high"].map(|name| program.read_blocking::<f32>(name).unwrap()[0])
}

#[test]
fn every_length_and_sign() {
    let shapes: [&[usize]; 7] = [
        &[1],
        &[63],
        &[5, 13],
        &[4096],
        &[4097],
        &[4, 9, 84, 84],
        &[8193, 3],
    ];
    for (i, shape) in shapes.into_iter().enumerate() {
        for (from, to) in [(-1.0, 1.0), (3.0, 250.0), (-7.0, -2.0), (-3e38, 3e38)] {
            let x = random_in(&mut rng(i as u64), shape, 0.0, 1.0).f32();
            let x: Vec<f32> = x.iter().map(|v| from * (1.0 - v) + to * v).collect();
            let expected = [
                x.iter().copied().fold(f32::MAX, f32::min),
                x.iter().copied().fold(f32::MIN, f32::max),
            ];
            assert_eq!(min_max(shape, &x), expected, "{shape:?} in {from}..{to}");
        }
    }
}

/// The extremes are found wherever they stand, the last element included.
#[test]
fn at_every_place() {
    for n in [65usize, 4097, 8200] {
        for place in [0, 1, 63, 64, n / 2, n - 1] {
            let mut x = vec![0.5; n];
            x[place] = -2.0;
            x[(place + 1) % n] = 9.0;
            assert_eq!(min_max(&[n], &x), [-2.0, 9.0], "{n}, {place}");
        }
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let tape = Tape::new();
    assert!(
        tape.input("none", Tensor::f32(&[0]))
            .batch_min_max()
            .is_err()
    );
    let bytes = tape
        .input("bytes", Tensor::u8(&[8]))
        .batch_min_max()
        .unwrap_err()
        .to_string();
    assert!(
        bytes.contains("fill_range") && bytes.contains("u8[8]"),
        "{bytes}"
    );
}
