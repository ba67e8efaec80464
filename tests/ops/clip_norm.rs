use crate::common::*;
use foveate::tape::{Tape, Tensor};

/// Clipped elements and norm of `x`.
fn clip(x: &[f32], max_norm: f32) -> (Vec<f32>, f32) {
    let tape = Tape::new();
    let v = tape.input("x", Tensor::f32(&[x.len()]));
    let (clipped, norm) = v.clip_norm(max_norm).unwrap();
    tape.output("clipped", &clipped);
    tape.output("norm", &norm);
    let program = tape.compile(&gpu()).unwrap();
    program.poison().unwrap();
    program.write("x", x).unwrap();
    program.run().unwrap();
    (
        program.read_blocking("clipped").unwrap(),
        program.read_blocking::<f32>("norm").unwrap()[0],
    )
}

fn check(x: &[f32], max_norm: f32) {
    let (clipped, norm) = clip(x, max_norm);
    let expected = x
        .iter()
        .map(|&v| (v as f64) * (v as f64))
        .sum::<f64>()
        .sqrt();
    let factor = (max_norm as f64 / (expected + 1e-6)).min(1.0);
    let scaled: Vec<f64> = x.iter().map(|&v| v as f64 * factor).collect();
    assert_close("norm", &[norm], &[expected], 2e-6);
    assert_close("clipped", &clipped, &scaled, 2e-6);
    if factor == 1.0 {
        assert_eq!(clipped, x, "a small gradient must stay as it is");
    }
}

#[test]
fn short_and_long() {
    for n in [1, 2, 63, 65, 4096, 4097, 9001, 300_001] {
        let x = random(&mut rng(n as u64), &[n]).f32();
        check(&x, 0.5);
        check(&x, 1e6);
    }
}

#[test]
fn far_out() {
    let x = random(&mut rng(3), &[5000]).f32();
    for scale in [1e-30f32, 1e-12, 1e-7, 1e25, 1e35] {
        let scaled: Vec<f32> = x.iter().map(|v| v * scale).collect();
        check(&scaled, 0.5);
    }
    check(&[0.0; 70], 0.5);
    let mut one = vec![0.0; 5000];
    one[4999] = 1e30;
    check(&one, 0.5);
}

/// A norm beyond f32 is its largest number, and the gradient still points its way.
#[test]
fn a_norm_beyond_f32() {
    let (clipped, norm) = clip(&[3e38; 100], 1.0);
    assert!(norm.is_finite() && norm > 3e38, "{norm}");
    assert!(
        clipped
            .iter()
            .all(|v| v.is_finite() && *v > 0.0 && *v < 1.0)
    );
}

#[test]
fn the_same_bits_twice() {
    let x = random(&mut rng(9), &[123_457]).f32();
    let bits = |(c, n): (Vec<f32>, f32)| {
        (
            c.iter().map(|v| v.to_bits()).collect::<Vec<_>>(),
            n.to_bits(),
        )
    };
    assert_eq!(bits(clip(&x, 0.5)), bits(clip(&x, 0.5)));
}

#[test]
fn what_does_not_fit_is_refused() {
    let tape = Tape::new();
    let message = tape
        .full(&[2, 3], 1.0)
        .clip_norm(1.0)
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("clip_norm") && message.contains("[2, 3]"),
        "{message}"
    );
    for max_norm in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        let message = tape
            .full(&[3], 1.0)
            .clip_norm(max_norm)
            .unwrap_err()
            .to_string();
        assert!(message.contains("max_norm"), "{message}");
    }
}
