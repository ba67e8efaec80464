use crate::common::*;
use foveate::ops::UnaryKind;

fn check(kind: UnaryKind, positive: bool, f: impl Fn(f64) -> f64 + Copy) {
    for (seed, shape) in [
        (1, vec![1]),
        (2, vec![7, 13]),
        (3, vec![3, 5, 101]),
        (4, vec![4, 67]),
    ] {
        let mut x = random(&mut rng(seed), &shape);
        for v in &mut x.data {
            *v *= 3.0;
            if positive {
                *v = v.abs() + 0.1;
            }
        }
        Check::new(&format!("{kind:?}"), vec![x]).run(|_, v| v[0].unary(kind), |a| a[0].map(f));
    }
}

#[test]
fn every_kind() {
    check(UnaryKind::Relu, false, |v| v.max(0.0));
    check(UnaryKind::Tanh, false, f64::tanh);
    check(UnaryKind::Sigmoid, false, |v| 1.0 / (1.0 + (-v).exp()));
    check(UnaryKind::Exp, false, f64::exp);
    check(UnaryKind::Log, true, f64::ln);
    check(UnaryKind::Square, false, |v| v * v);
    check(UnaryKind::Sqrt, true, f64::sqrt);
    check(UnaryKind::Abs, false, f64::abs);
}

#[test]
fn affine() {
    for columns in [76, 77] {
        let x = random(&mut rng(4), &[9, columns]);
        Check::new("affine", vec![x]).run(
            |_, v| v[0].affine(-2.5, 0.75),
            |a| a[0].map(|v| -2.5 * v + 0.75),
        );
    }
}

/// Far out, nothing overflows and tanh is ±1 exactly (the squashed Gaussian's
/// log-probability relies on it).
#[test]
fn far_out() {
    let x = Array::new(&[8], vec![-1e4, -90.0, -30.0, -9.5, 9.5, 30.0, 90.0, 1e4]);
    for kind in [UnaryKind::Tanh, UnaryKind::Sigmoid] {
        let tape = foveate::tape::Tape::new();
        let v = tape.constant(&[8], &x.f32()).unwrap();
        tape.output("y", &v.unary(kind).unwrap());
        let program = tape.compile(&gpu()).unwrap();
        program.run().unwrap();
        let y: Vec<f32> = program.read_blocking("y").unwrap();
        let low = if kind == UnaryKind::Tanh { -1.0 } else { 0.0 };
        assert!(
            (y[0] - low).abs() < 1e-30 && (y[7] - 1.0).abs() == 0.0,
            "{kind:?}: {y:?}"
        );
        assert!(y.is_sorted(), "{kind:?}: {y:?}");
    }
}
