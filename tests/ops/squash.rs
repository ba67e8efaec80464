use crate::common::golden::Golden;
use crate::common::*;
use foveate::tape::{Gradient, Tape};

fn reference(u: &Array, log_prob: &Array) -> (Array, Array) {
    let a = u.map(f64::tanh);
    let mut l = log_prob.clone();
    let actions = u.shape[1];
    for (i, v) in a.data.iter().enumerate() {
        l.data[i / actions] -= ((1.0 - v * v).max(0.0) + 1e-6).ln();
    }
    (a, l)
}

#[test]
fn both_results_and_their_gradients() {
    for (seed, rows, actions) in [(1, 1, 1), (2, 5, 3), (3, 131, 7)] {
        let mut rng = rng(seed);
        let (u, l) = (
            random(&mut rng, &[rows, actions]),
            random(&mut rng, &[rows, 1]),
        );
        Check::new("squash: action", vec![u.clone(), l.clone()])
            .without_gradient(1)
            .run(
                |_, v| Ok(v[0].squash(&v[1])?.0),
                |a| reference(&a[0], &a[1]).0,
            );
        Check::new("squash: log_prob", vec![u.clone(), l.clone()]).run(
            |_, v| Ok(v[0].squash(&v[1])?.1),
            |a| reference(&a[0], &a[1]).1,
        );
        Check::new("squash: both", vec![u, l]).run(
            |_, v| {
                let (a, l) = v[0].squash(&v[1])?;
                a.mul(&l)
            },
            |x| {
                let (a, l) = reference(&x[0], &x[1]);
                let mut y = a.clone();
                for (i, v) in y.data.iter_mut().enumerate() {
                    *v *= l.data[i / a.shape[1]];
                }
                y
            },
        );
    }
}

/// The released implementation at saturated actions too, where 1 − a² is a rounding
/// error: 2e-5 where |u| ≤ 3, 3e-3 beyond, and zero gradient where a is ±1.
#[test]
fn matches_the_released_implementation() {
    let fixture = Golden::open("sgqn/02_actor");
    let (u, l) = (
        fixture.array("squash.input.u"),
        fixture.array("squash.input.log_prob"),
    );
    let tape = Tape::new();
    let u_var = tape.constant(&u.shape, &u.f32()).unwrap();
    let l_var = tape.constant(&l.shape, &l.f32()).unwrap();
    let (a, log_pi) = u_var.squash(&l_var).unwrap();
    let seed = |name: &str| {
        let c = fixture.array(name);
        tape.constant(&c.shape, &c.f32()).unwrap()
    };
    let seeds = [
        (a.clone(), seed("squash.input.cotangent_a")),
        (log_pi.clone(), seed("squash.input.cotangent_log_pi")),
    ];
    let grads = tape
        .gradients_seeded(&seeds, &[u_var, l_var], Gradient::True)
        .unwrap();
    tape.output("a", &a);
    tape.output("log_pi", &log_pi);
    tape.output("du", grads[0].as_ref().unwrap());
    tape.output("dl", grads[1].as_ref().unwrap());
    let program = tape.compile(&gpu()).unwrap();
    program.poison().unwrap();
    program.run().unwrap();
    let read = |name: &str| -> Vec<f32> { program.read_blocking(name).unwrap() };
    let close = |got: &[f32], name: &str, tolerance: &dyn Fn(usize) -> f64| {
        let expected = fixture.array(name);
        for (i, (x, y)) in got.iter().zip(&expected.data).enumerate() {
            let error = (*x as f64 - y).abs();
            assert!(
                error <= tolerance(i),
                "{name}[{i}]: {x} instead of {y} at {:?}",
                u.data
            );
        }
    };
    close(&read("a"), "squash.out.a", &|_| 2e-6);
    let row = |i: usize| u.data[2 * i].abs().max(u.data[2 * i + 1].abs());
    close(&read("log_pi"), "squash.out.log_pi", &|i| {
        if row(i) <= 3.0 { 2e-5 } else { 3e-3 }
    });
    close(&read("du"), "squash.grad.u", &|_| 1e-3);
    close(&read("dl"), "squash.grad.log_prob", &|_| 0.0);
    for (g, u) in read("du").iter().zip(&u.data) {
        assert!(u.abs() < 9.5 || *g == 0.0, "gradient {g} at {u}");
    }
}

#[test]
fn other_shapes_are_refused() {
    let tape = Tape::new();
    let (u, l) = (tape.full(&[4, 2], 0.0), tape.full(&[4], 0.0));
    let message = u.squash(&l).unwrap_err().to_string();
    assert!(
        message.contains("squash") && message.contains("[B, 1]"),
        "{message}"
    );
}
