use crate::common::*;
use foveate::ops::UnaryKind;

fn check(kind: UnaryKind, positive: bool, f: impl Fn(f64) -> f64 + Copy) {
    for (seed, shape) in [
        (1, vec![1]),
        (2, vec![7, 13]),
        (3, vec![3, 5, 101]),
        (4, vec![4, 67]),
        (5, vec![4, 1031]),
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
    check(UnaryKind::Gelu, false, gelu);
}

/// By its power series, which loses nothing that counts up to 2.5, and beyond that by
/// Laplace's continued fraction (Abramowitz and Stegun 7.1.5 and 7.1.14).
fn erfc(x: f64) -> f64 {
    if x < 0.0 {
        return 2.0 - erfc(-x);
    }
    let root = std::f64::consts::PI.sqrt();
    if x < 2.5 {
        let (mut term, mut sum) = (x, x);
        for n in 1..80 {
            term *= -x * x / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        return 1.0 - 2.0 / root * sum;
    }
    let fraction = (1..200)
        .rev()
        .fold(x, |below, n| x + 0.5 * f64::from(n) / below);
    (-x * x).exp() / root / fraction
}

fn gelu(x: f64) -> f64 {
    0.5 * x * erfc(-x / 2f64.sqrt())
}

/// Against its own size, not that of the largest element: near 0, where the fits join,
/// in the lower tail, and so far out that it is 0 or x.
#[test]
fn gelu_everywhere() {
    let mut x: Vec<f64> = (-800..=800)
        .map(|i| f64::from(i) / 100.0 + 0.0037)
        .collect();
    x.extend([1e-30, -1e-30, 30.0, -30.0, 1e4, -1e4, 1e30, -1e30]);
    let x = Array::new(&[x.len()], x).map(|v| f64::from(v as f32));
    let tape = foveate::tape::Tape::new();
    let v = tape.constant(&x.shape, &x.f32()).unwrap();
    let y = computed(&tape, &v.gelu().unwrap());
    for (y, x) in y.iter().zip(&x.data) {
        let expected = gelu(*x);
        // The tail is a power of e, whose error grows with the exponent.
        let tolerance = if *x > -1.0 { 6e-7 } else { 2e-5 };
        assert!(
            (f64::from(*y) - expected).abs() <= tolerance * expected.abs() + 1e-30,
            "gelu({x}) is {expected}, got {y}"
        );
    }
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

/// Where ln x is held at the logarithm of the smallest normal number it does not grow, and
/// its gradient is 0; from that number on it is 1 / x.
#[test]
fn gradient_of_the_logarithm_where_it_is_held() {
    use foveate::tape::{Gradient, Tape};
    let x = [0.0, -0.0, -1.0, f32::MIN_POSITIVE, 0.5, 2.0];
    for repeats in [1, 2] {
        let x = x.repeat(repeats);
        let tape = Tape::new();
        let v = tape.constant(&[x.len()], &x).unwrap();
        let sum = v.unary(UnaryKind::Log).unwrap().sum_all().unwrap();
        let g = tape.gradients(&sum, &[v], Gradient::True).unwrap();
        let g = computed(&tape, g[0].as_ref().unwrap());
        for (x, g) in x.iter().zip(g) {
            let expected = if *x >= f32::MIN_POSITIVE {
                1.0 / x
            } else {
                0.0
            };
            let error = (g - expected).abs();
            assert!(
                error <= 1e-6 * expected.abs(),
                "at {x}: {g}, not {expected}"
            );
        }
    }
}

#[test]
fn what_is_empty_is_refused() {
    let tape = foveate::tape::Tape::new();
    for shape in [vec![0], vec![3, 0]] {
        let x = tape.full(&shape, 1.0);
        for (name, error) in [
            ("relu", x.relu().unwrap_err()),
            ("gelu", x.gelu().unwrap_err()),
            ("affine", x.scale(2.0).unwrap_err()),
        ] {
            let message = error.to_string();
            let given = format!("f32{shape:?}");
            assert!(
                message.contains(name) && message.contains(&given) && message.contains("non-empty"),
                "{message}"
            );
        }
    }
}
