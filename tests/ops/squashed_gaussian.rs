use crate::common::golden::Golden;
use crate::common::*;
use foveate::tape::{Gradient, Tape, TapeError, Var};

/// action, log_prob, mean, log_std.
fn reference(raw: &Array, noise: &Array, low: f64, high: f64) -> [Array; 4] {
    let (rows, actions) = (noise.shape[0], noise.shape[1]);
    let mut action = Array::zeros(&noise.shape);
    let (mut mean, mut log_std) = (action.clone(), action.clone());
    let mut log_prob = Array::zeros(&[rows, 1]);
    for b in 0..rows {
        for j in 0..actions {
            let i = b * actions + j;
            let (m, e) = (raw.at(&[b, j]), noise.data[i]);
            let s = low + 0.5 * (high - low) * (raw.at(&[b, actions + j]).tanh() + 1.0);
            let a = (m + e * s.exp()).tanh();
            let normal = -0.5 * e * e - s - 0.5 * (2.0 * std::f64::consts::PI).ln();
            log_prob.data[b] += normal - ((1.0 - a * a).max(0.0) + 1e-6).ln();
            (action.data[i], mean.data[i], log_std.data[i]) = (a, m.tanh(), s);
        }
    }
    [action, log_prob, mean, log_std]
}

fn results(raw: &Var, noise: &Var, low: f32, high: f32) -> Result<[Var; 4], TapeError> {
    let p = raw.squashed_gaussian(noise, low, high)?;
    Ok([p.action, p.log_prob, p.mean, p.log_std])
}

/// The tolerances allow for 1 − a², which loses digits in f32 as |a| nears 1.
#[test]
fn each_result_alone_and_all_together() {
    for (seed, rows, actions) in [(1, 1, 1), (2, 4, 2), (3, 7, 13), (4, 130, 3)] {
        let mut rng = rng(seed);
        let inputs = vec![
            random(&mut rng, &[rows, 2 * actions]),
            random(&mut rng, &[rows, actions]),
        ];
        for i in 0..4 {
            Check::new(&format!("squashed_gaussian {i}"), inputs.clone())
                .tolerances(3e-5, 1e-4)
                .without_gradient(1)
                .run(
                    |_, v| Ok(results(&v[0], &v[1], -5.0, 0.5)?[i].clone()),
                    |a| reference(&a[0], &a[1], -5.0, 0.5)[i].clone(),
                );
        }
        Check::new("squashed_gaussian", inputs)
            .tolerances(3e-5, 1e-4)
            .without_gradient(1)
            .run(
                |_, v| {
                    let [a, l, m, s] = results(&v[0], &v[1], -4.0, 1.0)?;
                    a.add(&m)?.mul(&s)?.mul(&l)
                },
                |x| {
                    let [a, l, m, s] = reference(&x[0], &x[1], -4.0, 1.0);
                    let mut y = a.clone();
                    for (i, v) in y.data.iter_mut().enumerate() {
                        *v = (a.data[i] + m.data[i]) * s.data[i] * l.data[i / actions];
                    }
                    y
                },
            );
    }
}

/// The actor's head on the released implementation's raw outputs; the gradient of
/// the last layer's bias is the sum over the batch of this operation's.
#[test]
fn matches_the_released_implementation() {
    let fixture = Golden::open("sgqn/02_actor");
    let tape = Tape::new();
    let constant = |name: &str| {
        let c = fixture.array(name);
        tape.constant(&c.shape, &c.f32()).unwrap()
    };
    let raw = constant("out.mlp");
    let results = results(&raw, &constant("noise.eps"), -10.0, 2.0).unwrap();
    let names = ["pi", "log_pi", "mu", "log_std"];
    let seeds: Vec<_> = (results.iter().zip(names))
        .map(|(r, n)| (r.clone(), constant(&format!("input.cotangent_{n}"))))
        .collect();
    let gradient = tape
        .gradients_seeded(&seeds, &[raw], Gradient::True)
        .unwrap()
        .remove(0)
        .unwrap();
    tape.output("bias", &gradient.sum(0..1).unwrap());
    for (r, n) in results.iter().zip(names) {
        tape.output(n, r);
    }
    let program = tape.compile(&gpu()).unwrap();
    program.poison().unwrap();
    program.run().unwrap();
    for n in names {
        let got: Vec<f32> = program.read_blocking(n).unwrap();
        assert_close(n, &got, &fixture.array(&format!("out.{n}")).data, 5e-5);
    }
    let got: Vec<f32> = program.read_blocking("bias").unwrap();
    let expected = fixture.array("grad.param.actor.mlp.4.bias");
    let norm = |v: &mut dyn Iterator<Item = f64>| v.map(|x| x * x).sum::<f64>().sqrt();
    let error = norm(&mut got.iter().zip(&expected.data).map(|(a, b)| *a as f64 - b));
    assert!(
        error <= 2e-4 * norm(&mut expected.data.iter().copied()),
        "{got:?} {:?}",
        expected.data
    );
}

/// Saturated actions: everything finite, no gradient through the squashing.
#[test]
fn far_out() {
    let tape = Tape::new();
    let raw = tape
        .constant(&[3, 2], &[40.0, 50.0, -1e4, -50.0, 12.0, 0.0])
        .unwrap();
    let noise = tape.constant(&[3, 1], &[6.0, -6.0, 0.0]).unwrap();
    let [action, log_prob, _, _] = results(&raw, &noise, -10.0, 2.0).unwrap();
    let seeds = [
        (action.clone(), tape.full(&[3, 1], 1.0)),
        (log_prob.clone(), tape.full(&[3, 1], 1.0)),
    ];
    let g = tape
        .gradients_seeded(&seeds, &[raw], Gradient::True)
        .unwrap()
        .remove(0)
        .unwrap();
    for (name, v) in [("action", &action), ("log_prob", &log_prob), ("g", &g)] {
        tape.output(name, v);
    }
    let program = tape.compile(&gpu()).unwrap();
    program.run().unwrap();
    let read = |name: &str| -> Vec<f32> { program.read_blocking(name).unwrap() };
    assert_eq!(read("action"), [1.0, -1.0, 1.0]);
    assert!(
        read("log_prob").iter().all(|v| v.is_finite()),
        "{:?}",
        read("log_prob")
    );
    let g = read("g");
    assert_eq!([g[0], g[2], g[4]], [0.0; 3]);
    // d log_prob / d log_std = −1, and half the range of log_std is 6.
    assert_eq!([g[1], g[3]], [0.0; 2]);
    assert!((g[5] + 6.0).abs() < 1e-5, "{g:?}");
}

#[test]
fn mistakes_are_named() {
    let tape = Tape::new();
    let (raw, noise) = (tape.full(&[4, 5], 0.0), tape.full(&[4, 2], 0.0));
    let message = raw
        .squashed_gaussian(&noise, -10.0, 2.0)
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("squashed_gaussian") && message.contains("[4, 5]"),
        "{message}"
    );
    let raw = tape.full(&[4, 4], 0.0);
    let message = raw
        .squashed_gaussian(&noise, 2.0, -10.0)
        .unwrap_err()
        .to_string();
    assert!(message.contains("no range"), "{message}");
}
