use crate::common::*;
use foveate::tape::{Gradient, Tape, Tensor};

fn reference(a: &[Array]) -> Array {
    let sum: f64 = (a[0].data.iter().zip(&a[1].data))
        .map(|(x, y)| (x - y).powi(2))
        .sum();
    Array::new(&[1], vec![sum / a[0].data.len() as f64])
}

/// One piece and several; gradients of both sides, of one, of the other.
#[test]
fn values_and_gradients() {
    for (seed, shape) in [
        (1, vec![1]),
        (2, vec![128, 1]),
        (3, vec![3, 5, 7]),
        (4, vec![2, 4097]),
    ] {
        let mut rng = rng(seed);
        let inputs = vec![random(&mut rng, &shape), random(&mut rng, &shape)];
        Check::new("mse", inputs.clone()).run(|_, v| v[0].mse(&v[1]), reference);
        for fixed in 0..2 {
            Check::new("mse", inputs.clone())
                .without_gradient(fixed)
                .run(|_, v| v[0].mse(&v[1]), reference);
        }
    }
}

/// The gradient is scaled by what follows, and runs in one dispatch.
#[test]
fn one_dispatch_each() {
    let tape = Tape::new();
    let x = tape.input("x", Tensor::f32(&[3]));
    let loss = x.mse(&tape.full(&[3], 1.0)).unwrap();
    let half = loss.scale(0.5).unwrap();
    let g = tape
        .gradients(&half, &[x], Gradient::True)
        .unwrap()
        .remove(0)
        .unwrap();
    tape.output("g", &g);
    tape.output("loss", &loss);
    let program = tape.compile(&gpu()).unwrap();
    let names: Vec<_> = program
        .dispatches()
        .map(|d| d.0)
        .filter(|n| n.starts_with("mse"))
        .collect();
    assert_eq!(names, ["mse", "mse_gradient"]);
    program.write("x", &[4.0f32, 1.0, -2.0]).unwrap();
    program.run().unwrap();
    assert_eq!(program.read_blocking::<f32>("loss").unwrap(), [6.0]);
    let g = program.read_blocking::<f32>("g").unwrap();
    assert_close("g", &g, &[1.0, 0.0, -1.0], 1e-6);
}

/// A long sum, twice the same bits.
#[test]
fn deterministic() {
    let (mut rng, tape) = (rng(9), Tape::new());
    let x = tape.input("x", Tensor::f32(&[300_007]));
    let other = tape
        .constant(&[300_007], &random_in(&mut rng, &[300_007], 0.0, 1.0).f32())
        .unwrap();
    tape.output("loss", &x.mse(&other).unwrap());
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
    let message = tape
        .full(&[4], 0.0)
        .mse(&tape.full(&[4, 1], 0.0))
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("mse") && message.contains("[4, 1]"),
        "{message}"
    );
}
