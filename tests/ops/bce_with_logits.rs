use crate::common::*;
use foveate::tape::{Gradient, Tape, Tensor};

fn reference(a: &[Array]) -> Array {
    let (x, t) = (&a[0], &a[1]);
    let plane = if x.shape == t.shape {
        x.data.len()
    } else {
        x.shape[2] * x.shape[3]
    };
    let shared = x.data.len() / t.data.len();
    let sum: f64 = (x.data.iter().enumerate())
        .map(|(i, v)| {
            let t = t.data[i / plane / shared * plane + i % plane];
            v.max(0.0) - v * t + (-v.abs()).exp().ln_1p()
        })
        .sum();
    Array::new(&[1], vec![sum / x.data.len() as f64])
}

/// One piece and several for a plane, own and shared targets, hard and soft.
#[test]
fn values_and_gradients() {
    let cases: [(&[usize], &[usize]); 8] = [
        (&[1], &[1]),
        (&[7, 13], &[7, 13]),
        (&[2, 4, 3, 5], &[2, 4, 3, 5]),
        (&[2, 9, 5, 7], &[2, 3, 5, 7]),
        (&[3, 4, 6, 6], &[3, 1, 6, 6]),
        (&[2, 9, 24, 24], &[2, 3, 24, 24]),
        (&[2, 6, 30, 45], &[2, 2, 30, 45]),
        (&[1, 6, 50, 84], &[1, 2, 50, 84]),
    ];
    for (i, (logits, targets)) in cases.into_iter().enumerate() {
        let mut rng = rng(i as u64);
        let x = random(&mut rng, logits).map(|v| 4.0 * v);
        let soft = random_in(&mut rng, targets, 0.0, 1.0);
        for t in [soft.map(|v| if v > 0.5 { 1.0 } else { 0.0 }), soft] {
            Check::new("bce_with_logits", vec![x.clone(), t])
                .tolerances(5e-6, 3e-5)
                .without_gradient(1)
                .run(|_, v| v[0].bce_with_logits(&v[1]), reference);
        }
    }
}

/// More planes than workgroups in a row: in the second row some have none. Differences of a
/// mean of so many are too coarse for a gradient, which is compared with its formula.
#[test]
fn more_planes_than_workgroups_in_a_row() {
    let planes = 70_000;
    let mut rng = rng(9);
    let x = random(&mut rng, &[planes, 2, 1, 1]);
    let t = random_in(&mut rng, &[planes, 1, 1, 1], 0.0, 1.0);
    let tape = Tape::new();
    let logits = tape.constant(&x.shape, &x.f32()).unwrap();
    let targets = tape.constant(&t.shape, &t.f32()).unwrap();
    let loss = logits.bce_with_logits(&targets).unwrap();
    let gradients = tape.gradients(&loss, &[logits], Gradient::True).unwrap();
    tape.output("loss", &loss);
    tape.output("g", gradients[0].as_ref().unwrap());
    let program = tape.compile(&gpu()).unwrap();
    program.poison().unwrap();
    program.run().unwrap();
    let read = |name: &str| program.read_blocking::<f32>(name).unwrap();
    let n = x.data.len() as f64;
    let expected: Vec<f64> = (x.data.iter().enumerate())
        .map(|(i, v)| (1.0 / (1.0 + (-v).exp()) - t.data[i / 2]) / n)
        .collect();
    assert_close("loss", &read("loss"), &reference(&[x, t]).data, 5e-6);
    assert_close("gradient", &read("g"), &expected, 3e-5);
}

/// Sure logits, right and wrong: no overflow, and small losses and gradients keep
/// their digits.
#[test]
fn sure_logits() {
    for (x, t) in [
        (12.0f64, 1.0f64),
        (-12.0, 0.0),
        (50.0, 0.0),
        (-1e4, 1.0),
        (0.0, 0.25),
    ] {
        let tape = Tape::new();
        let logit = tape.constant(&[1], &[x as f32]).unwrap();
        let loss = logit.bce_with_logits(&tape.full(&[1], t as f32)).unwrap();
        let g = tape
            .gradients(&loss, &[logit], Gradient::True)
            .unwrap()
            .remove(0)
            .unwrap();
        tape.output("loss", &loss);
        tape.output("g", &g);
        let program = tape.compile(&gpu()).unwrap();
        program.run().unwrap();
        let read = |name: &str| program.read_blocking::<f32>(name).unwrap();
        let expected = x.max(0.0) - x * t + (-x.abs()).exp().ln_1p();
        assert_close("loss", &read("loss"), &[expected], 1e-5);
        assert_close(
            "gradient",
            &read("g"),
            &[1.0 / (1.0 + (-x).exp()) - t],
            1e-5,
        );
    }
}

/// A long sum, twice the same bits.
#[test]
fn deterministic() {
    let (mut rng, tape) = (rng(9), Tape::new());
    let x = tape.input("x", Tensor::f32(&[300_007]));
    let other = tape
        .constant(&[300_007], &random_in(&mut rng, &[300_007], 0.0, 1.0).f32())
        .unwrap();
    tape.output("loss", &x.bce_with_logits(&other).unwrap());
    let program = tape.compile(&gpu()).unwrap();
    program
        .write("x", &random(&mut rng, &[300_007]).f32())
        .unwrap();
    let run = || -> Vec<f32> {
        program.poison().unwrap();
        program.run().unwrap();
        program.read_blocking("loss").unwrap()
    };
    assert_eq!(run(), run());
}

#[test]
fn other_shapes_are_refused() {
    let tape = Tape::new();
    let x = tape.full(&[2, 9, 4, 4], 0.0);
    for shape in [[2, 2, 4, 4], [2, 3, 4, 5], [1, 9, 4, 4]] {
        let message = x
            .bce_with_logits(&tape.full(&shape, 0.0))
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("bce_with_logits") && message.contains("[2, 9, 4, 4]"),
            "{message}"
        );
    }
}
