use crate::common::*;
use foveate::tape::{Tape, Var};

fn reference(parts: &[Array], axis: usize) -> Array {
    let outer: usize = parts[0].shape[..axis].iter().product();
    let mut shape = parts[0].shape.clone();
    shape[axis] = parts.iter().map(|p| p.shape[axis]).sum();
    let mut data = vec![];
    for o in 0..outer {
        for part in parts {
            let width = part.data.len() / outer;
            data.extend_from_slice(&part.data[o * width..(o + 1) * width]);
        }
    }
    Array::new(&shape, data)
}

/// Along every axis; one, two and more parts than one dispatch takes.
#[test]
fn joins_and_gradients() {
    let cases: [(&[&[usize]], usize); 9] = [
        (&[&[1]], 0),
        (&[&[5, 100], &[5, 6]], 1),
        (&[&[2, 3, 4], &[7, 3, 4], &[1, 3, 4]], 0),
        (&[&[2, 3, 4], &[2, 1, 4], &[2, 9, 4], &[2, 2, 4]], 1),
        (&[&[9, 64], &[9, 4], &[9, 8], &[9, 12], &[9, 16]], 1),
        (&[&[9, 8], &[9, 4], &[9, 3]], 1),
        (&[&[2, 4], &[2, 4], &[2, 4], &[2, 3], &[2, 4], &[2, 1]], 1),
        (&[&[1, 2], &[1, 1], &[1, 3], &[1, 4], &[1, 1], &[1, 70]], 1),
        (
            &[
                &[3, 2],
                &[3, 1],
                &[3, 1],
                &[3, 2],
                &[3, 1],
                &[3, 1],
                &[3, 2],
                &[3, 2],
                &[3, 3],
            ],
            1,
        ),
    ];
    for (shapes, axis) in cases {
        let mut rng = rng(axis as u64);
        let inputs = shapes.iter().map(|s| random(&mut rng, s)).collect();
        Check::new(&format!("concat {shapes:?}"), inputs).run(
            |_, v| Var::concat(&v.iter().collect::<Vec<_>>(), axis),
            |a| reference(a, axis),
        );
    }
}

/// One tensor twice: both gradients count.
#[test]
fn twice_the_same() {
    let x = random(&mut rng(3), &[3, 5]);
    Check::new("concat", vec![x]).run(
        |_, v| Var::concat(&[&v[0], &v[0]], 0),
        |a| reference(&[a[0].clone(), a[0].clone()], 0),
    );
}

#[test]
fn mistakes_are_named() {
    let tape = Tape::new();
    let (a, b) = (tape.full(&[2, 3], 0.0), tape.full(&[3, 3], 0.0));
    let message = Var::concat(&[&a, &b], 1).unwrap_err().to_string();
    assert!(
        message.contains("concat") && message.contains("[3, 3]"),
        "{message}"
    );
    assert!(Var::concat(&[&a, &a], 2).is_err());
    assert!(Var::concat(&[], 0).is_err());
}
