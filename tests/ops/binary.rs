use crate::common::*;
use foveate::ops::BinaryKind;

/// The float64 reference: both operands walked by broadcasting.
fn reference(a: &Array, b: &Array, shape: &[usize], f: impl Fn(f64, f64) -> f64) -> Array {
    let walk = |x: &Array, flat: usize| {
        let (mut rest, mut index) = (flat, vec![]);
        for d in shape.iter().rev() {
            index.push(rest % d);
            rest /= d;
        }
        index.reverse();
        let lead = shape.len() - x.shape.len();
        let own: Vec<usize> = (x.shape.iter().enumerate())
            .map(|(i, d)| if *d == 1 { 0 } else { index[lead + i] })
            .collect();
        if own.is_empty() {
            x.data[0]
        } else {
            x.at(&own)
        }
    };
    let n = shape.iter().product();
    Array::new(shape, (0..n).map(|i| f(walk(a, i), walk(b, i))).collect())
}

#[test]
fn every_kind_and_broadcast() {
    let shapes: [(&[usize], &[usize], &[usize]); 14] = [
        (&[5, 33], &[5, 33], &[5, 33]),
        (&[5, 36], &[5, 36], &[5, 36]),
        (&[41, 60], &[41, 60], &[41, 60]),
        (&[1], &[4, 7], &[4, 7]),
        (&[6, 1, 5, 1], &[1, 3, 1, 7], &[6, 3, 5, 7]),
        (&[7], &[3, 5, 7], &[3, 5, 7]),
        (&[70, 1], &[70, 9], &[70, 9]),
        (&[1, 1], &[1, 1], &[1, 1]),
        // Whole fours: of both, of one, and of y alone.
        (&[3, 9, 8], &[1, 9, 8], &[3, 9, 8]),
        (&[2, 1, 5, 4], &[3, 1, 4], &[2, 3, 5, 4]),
        (&[8, 1], &[8, 12], &[8, 12]),
        (&[1, 4, 1, 1], &[2, 4, 3, 4], &[2, 4, 3, 4]),
        (&[1, 3, 1, 1], &[2, 3, 3, 4], &[2, 3, 3, 4]),
        (&[1], &[5, 8], &[5, 8]),
    ];
    for (i, (a, b, y)) in shapes.into_iter().enumerate() {
        let mut rng = rng(i as u64);
        let (mut u, v) = (random(&mut rng, a), random(&mut rng, b));
        // No two closer than finite differences can tell apart at min and max.
        for (j, x) in u.data.iter_mut().enumerate() {
            *x += 1e-3 * (1.0 + j as f64 % 3.0);
            *x = *x as f32 as f64;
        }
        for (kind, f) in [
            (BinaryKind::Add, (|a, b| a + b) as fn(f64, f64) -> f64),
            (BinaryKind::Sub, |a, b| a - b),
            (BinaryKind::Mul, |a, b| a * b),
            (BinaryKind::Div, |a, b| a / b),
            (BinaryKind::Min, f64::min),
            (BinaryKind::Max, f64::max),
        ] {
            Check::new(&format!("{kind:?} {a:?} {b:?}"), vec![u.clone(), v.clone()]).run(
                |_, x| x[0].binary(&x[1], kind),
                |x| reference(&x[0], &x[1], y, f),
            );
        }
    }
}

/// What a sum's gradient is: an odd number of elements, fewer than one workgroup has and
/// more; whole fours; from no dimension and from several.
#[test]
fn one_element_everywhere() {
    let shapes: [(&[usize], &[usize]); 5] = [
        (&[1], &[3, 5]),
        (&[1], &[7, 9, 11]),
        (&[1, 1, 1], &[3, 86, 12]),
        (&[], &[5, 8]),
        (&[1], &[1, 1]),
    ];
    for (i, (x, y)) in shapes.into_iter().enumerate() {
        let x = random(&mut rng(60 + i as u64), x);
        Check::new(&format!("broadcast to {y:?}"), vec![x]).run(
            |_, x| x[0].broadcast_to(y),
            |x| Array::new(y, vec![x[0].data[0]; y.iter().product()]),
        );
    }
    let tape = foveate::tape::Tape::new();
    let one = tape.full(&[1], 1.0);
    tape.output("y", &one.broadcast_to(&[5, 8]).unwrap());
    let program = tape.compile(&gpu()).unwrap();
    let keys: Vec<_> = program.dispatches().map(|d| d.1).collect();
    assert_eq!(keys, ["binary/fill.quads"]);
}

/// Ties of min and max share the gradient, as PyTorch does.
#[test]
fn ties_share_the_gradient() {
    use foveate::tape::{Gradient, Tape};
    let tape = Tape::new();
    let a = tape.input("a", foveate::tape::Tensor::f32(&[2]));
    let b = tape.constant(&[2], &[1.0, 5.0]).unwrap();
    let y = a.minimum(&b).unwrap().sum_all().unwrap();
    let g = tape
        .gradients(&y, &[a], Gradient::True)
        .unwrap()
        .remove(0)
        .unwrap();
    tape.output("g", &g);
    let program = tape.compile(&gpu()).unwrap();
    program.write("a", &[1.0f32, 2.0]).unwrap();
    program.run().unwrap();
    assert_eq!(program.read_blocking::<f32>("g").unwrap(), [0.5, 1.0]);
}

#[test]
fn shapes_that_do_not_broadcast_are_refused() {
    let tape = foveate::tape::Tape::new();
    let (a, b) = (tape.full(&[2, 3], 0.0), tape.full(&[2, 4], 0.0));
    let message = a.add(&b).unwrap_err().to_string();
    assert!(
        message.contains("add") && message.contains("[2, 3]") && message.contains("[2, 4]"),
        "{message}"
    );
}

#[test]
fn what_is_empty_is_refused() {
    let tape = foveate::tape::Tape::new();
    let (none, one) = (tape.full(&[3, 0], 0.0), tape.full(&[1], 0.0));
    for error in [
        none.add(&none).unwrap_err(),
        none.mul(&one).unwrap_err(),
        one.sub(&none).unwrap_err(),
        one.broadcast_to(&[3, 0]).unwrap_err(),
        none.broadcast_to(&[2, 3, 0]).unwrap_err(),
    ] {
        let message = error.to_string();
        assert!(message.contains("non-empty"), "{message}");
    }
}
