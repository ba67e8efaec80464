use crate::common::*;
use foveate::tape::Tape;
use std::ops::Range;

fn reference(x: &Array, axis: usize, range: Range<usize>) -> Array {
    let inner: usize = x.shape[axis + 1..].iter().product();
    let mut shape = x.shape.clone();
    shape[axis] = range.len();
    let rows = x.data.chunks_exact(x.shape[axis] * inner);
    let data = rows.flat_map(|r| r[range.start * inner..range.end * inner].to_vec());
    Array::new(&shape, data.collect())
}

#[test]
fn every_axis_and_its_gradient() {
    let cases: [(&[usize], usize, Range<usize>); 11] = [
        (&[1], 0, 0..1),
        (&[200], 0, 3..170),
        (&[5, 106], 1, 100..106),
        (&[5, 106], 0, 1..2),
        (&[2, 9, 4, 3], 1, 3..6),
        (&[2, 3, 5, 7], 3, 0..6),
        (&[2, 3, 5, 7], 2, 0..5),
        // Whole fours, and all but one of the three sizes.
        (&[7, 40], 1, 8..36),
        (&[3, 41, 4], 1, 5..41),
        (&[5, 12], 1, 2..6),
        (&[5, 12], 1, 4..10),
    ];
    for (shape, axis, range) in cases {
        let x = random(&mut rng(1), shape);
        Check::new(&format!("slice {shape:?}"), vec![x]).run(
            |_, v| v[0].slice(axis, range.clone()),
            |a| reference(&a[0], axis, range.clone()),
        );
    }
}

#[test]
fn overlapping_slices_add_up() {
    let x = random(&mut rng(2), &[4, 6]);
    Check::new("slice", vec![x]).run(
        |_, v| v[0].slice(1, 0..4)?.mul(&v[0].slice(1, 2..6)?),
        |a| {
            let (u, v) = (reference(&a[0], 1, 0..4), reference(&a[0], 1, 2..6));
            Array::new(
                &u.shape,
                u.data.iter().zip(&v.data).map(|(a, b)| a * b).collect(),
            )
        },
    );
}

#[test]
#[allow(clippy::reversed_empty_ranges)]
fn mistakes_are_named() {
    let x = Tape::new().full(&[4, 6], 0.0);
    for (axis, range) in [(2, 0..1), (1, 3..7), (0, 2..2), (1, 3..1)] {
        let message = x.slice(axis, range).unwrap_err().to_string();
        assert!(
            message.contains("slice") && message.contains("[4, 6]"),
            "{message}"
        );
    }
}
