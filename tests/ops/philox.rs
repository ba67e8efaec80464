use crate::common::*;
use foveate::ops::{Stream, philox4x32_10};
use foveate::tape::{Tape, Tensor};

const STREAM: Stream = Stream {
    seed: 0x0123_4567_89ab_cdef,
    stream: 7,
};

/// The known answers published with Random123 (`kat_vectors`, philox4x32 10).
#[test]
fn known_answers() {
    let cases = [
        (
            [0; 4],
            [0; 2],
            [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
        ),
        (
            [u32::MAX; 4],
            [u32::MAX; 2],
            [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
        ),
        (
            [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
            [0xa4093822, 0x299f31d0],
            [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
        ),
    ];
    for (counter, key, expected) in cases {
        assert_eq!(philox4x32_10(counter, key), expected);
    }
}

#[test]
fn the_device_draws_what_the_twins_draw() {
    for (len, step) in [
        (1, 0),
        (2, 1),
        (7, 0),
        (64, u32::MAX),
        (1003, 12),
        (66_001, 3),
    ] {
        let tape = Tape::new();
        let counter = tape.input("step", Tensor::u32(&[1]));
        let shape = [len];
        let intervals = [(0.0, 1.0), (-3.0, 0.7), (1e6, 1e6 + 1.0), (-2e-4, 1e30)];
        for (i, (low, high)) in intervals.into_iter().enumerate() {
            let y = counter.philox_uniform(STREAM, &shape, low, high).unwrap();
            tape.output(&format!("uniform{i}"), &y);
        }
        tape.output("normal", &counter.philox_normal(STREAM, &shape).unwrap());
        let counts = [1, 2, 9, 1000, u32::MAX];
        for count in counts {
            let y = counter.philox_integers(STREAM, &shape, count).unwrap();
            tape.output(&format!("integers{count}"), &y);
        }
        let program = tape.compile(&gpu()).unwrap();
        program.poison().unwrap();
        program.write("step", &[step]).unwrap();
        program.run().unwrap();
        for (i, (low, high)) in intervals.into_iter().enumerate() {
            let got: Vec<f32> = program.read_blocking(&format!("uniform{i}")).unwrap();
            let bits = |v: &[f32]| v.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            let expected = STREAM.uniform(step, len, low, high).unwrap();
            assert_eq!(bits(&got), bits(&expected), "[{low}, {high})");
            assert!(got.iter().all(|&v| low <= v && v < high), "[{low}, {high})");
        }
        for count in counts {
            let got: Vec<u32> = program.read_blocking(&format!("integers{count}")).unwrap();
            assert_eq!(
                got,
                STREAM.integers(step, len, count).unwrap(),
                "count {count}"
            );
        }
        let got: Vec<f32> = program.read_blocking("normal").unwrap();
        for (i, (a, b)) in got.iter().zip(STREAM.normal(step, len)).enumerate() {
            assert!(
                (a - b).abs() <= 1e-6 * b.abs().max(1.0),
                "element {i}: {a}, twin {b}"
            );
        }
    }
}

/// Mean and variance within five standard errors of their own; streams, steps and
/// seeds are uncorrelated.
#[test]
fn distributions() {
    let n = 1 << 18;
    let moments = |x: &[f32]| {
        let mean = x.iter().map(|&v| v as f64).sum::<f64>() / n as f64;
        let variance = x.iter().map(|&v| (v as f64 - mean).powi(2)).sum::<f64>() / n as f64;
        (mean, variance)
    };
    let root = (n as f64).sqrt();
    let uniform = STREAM.uniform(1, n, 0.0, 1.0).unwrap();
    let (mean, variance) = moments(&uniform);
    // Var u = 1/12, Var (u - 1/2)² = 1/180.
    assert!(
        (mean - 0.5).abs() < 5.0 * (1.0f64 / 12.0).sqrt() / root,
        "{mean}"
    );
    assert!(
        (variance - 1.0 / 12.0).abs() < 5.0 * (1.0f64 / 180.0).sqrt() / root,
        "{variance}"
    );
    let normal = STREAM.normal(1, n);
    let (mean, variance) = moments(&normal);
    // Var z = 1, Var z² = 2.
    assert!(mean.abs() < 5.0 / root, "{mean}");
    assert!(
        (variance - 1.0).abs() < 5.0 * 2f64.sqrt() / root,
        "{variance}"
    );
    let beyond_two = normal.iter().filter(|v| v.abs() > 2.0).count() as f64 / n as f64;
    let p = 0.045_500_264;
    assert!(
        (beyond_two - p).abs() < 5.0 * (p * (1.0 - p)).sqrt() / root,
        "{beyond_two}"
    );
    let count = 9;
    let mut histogram = vec![0.0; count as usize];
    for v in STREAM.integers(1, n, count).unwrap() {
        histogram[v as usize] += 1.0;
    }
    let expected = n as f64 / count as f64;
    for h in histogram {
        // A binomial count: its variance is below its mean.
        assert!(
            (h - expected).abs() < 5.0 * expected.sqrt(),
            "{h} of {expected}"
        );
    }
    let others = [
        Stream { seed: 1, ..STREAM }.normal(1, n),
        Stream {
            stream: 8,
            ..STREAM
        }
        .normal(1, n),
        STREAM.normal(2, n),
    ];
    for other in others {
        let product: f64 = normal.iter().zip(&other).map(|(a, b)| (a * b) as f64).sum();
        assert!((product / n as f64).abs() < 5.0 / root);
    }
}

#[test]
fn mistakes() {
    let tape = Tape::new();
    let step = tape.input("step", Tensor::u32(&[1]));
    let message =
        |r: Result<foveate::tape::Var, foveate::tape::TapeError>| r.unwrap_err().to_string();
    assert!(message(step.philox_uniform(STREAM, &[3], 1.0, 1.0)).contains("[1, 1)"));
    assert!(message(step.philox_uniform(STREAM, &[3], 0.0, f32::NAN)).contains("NaN"));
    assert!(message(step.philox_uniform(STREAM, &[3], f32::MIN, f32::MAX)).contains("finite"));
    assert!(message(step.philox_integers(STREAM, &[3], 0)).contains("at least 1"));
    assert!(message(step.philox_normal(STREAM, &[3, 0])).contains("[3, 0]"));
    let float = tape.full(&[1], 0.0);
    assert!(message(float.philox_normal(STREAM, &[3])).contains("u32[1]"));
}
