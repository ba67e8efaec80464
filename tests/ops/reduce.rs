use crate::common::*;
use foveate::ops::ReduceKind;
use std::ops::Range;

fn reference(x: &Array, axes: Range<usize>, kind: ReduceKind) -> Array {
    let outer: usize = x.shape[..axes.start].iter().product();
    let row: usize = x.shape[axes.clone()].iter().product();
    let inner: usize = x.shape[axes.end..].iter().product();
    let mut shape = x.shape.clone();
    shape[axes].fill(1);
    let mut y = Array::zeros(&shape);
    for o in 0..outer {
        for i in 0..inner {
            let values = (0..row).map(|r| x.data[(o * row + r) * inner + i]);
            y.data[o * inner + i] = match kind {
                ReduceKind::Sum => values.sum(),
                ReduceKind::Mean => values.sum::<f64>() / row as f64,
                ReduceKind::Max => values.fold(f64::MIN, f64::max),
            };
        }
    }
    y
}

#[test]
fn every_kind_on_short_long_and_strided_rows() {
    for (i, (shape, axes)) in [
        (vec![1], 0..1),
        (vec![3, 5, 7], 1..2),
        (vec![3, 5, 7], 0..3),
        (vec![4, 129], 1..2),
        (vec![300, 3], 0..1),
        (vec![2, 9001], 1..2),
        (vec![2, 70, 70, 3], 1..3),
        (vec![70, 2, 33], 2..3),
        // Whole fours beside each other, in one pass and in two.
        (vec![5, 3, 8], 1..2),
        (vec![515, 12], 0..1),
        (vec![2, 5000, 4], 1..2),
    ]
    .into_iter()
    .enumerate()
    {
        let x = random(&mut rng(i as u64), &shape);
        for kind in [ReduceKind::Sum, ReduceKind::Mean, ReduceKind::Max] {
            // A maximum has a kink wherever two elements meet: look at few of them.
            let check = Check::new("reduce", vec![x.clone()]);
            let check = if kind == ReduceKind::Max {
                check.without_gradient(0)
            } else {
                check
            };
            check.run(
                |_, v| match kind {
                    ReduceKind::Sum => v[0].sum(axes.clone()),
                    ReduceKind::Mean => v[0].mean(axes.clone()),
                    ReduceKind::Max => v[0].max(axes.clone()),
                },
                |a| reference(&a[0], axes.clone(), kind),
            );
        }
    }
}

#[test]
fn gradient_of_the_maximum() {
    let x = Array::new(&[2, 4], vec![1.0, 3.0, 2.0, -1.0, -4.0, -3.0, -2.5, -6.0]);
    Check::new("max", vec![x]).run(
        |_, v| v[0].max(1..2),
        |a| reference(&a[0], 1..2, ReduceKind::Max),
    );
}

/// Beyond the four dimensions that pointwise functions of two tensors broadcast over.
#[test]
fn gradients_of_many_dimensions() {
    for (i, (shape, axes)) in [
        (vec![2, 1, 3, 2, 4], 1..4),
        (vec![2, 3, 1, 2, 4], 0..2),
        (vec![3, 2, 2, 1, 2, 3], 3..6),
        (vec![1, 2, 2, 3, 2, 2], 0..6),
    ]
    .into_iter()
    .enumerate()
    {
        let x = random(&mut rng(40 + i as u64), &shape);
        for kind in [ReduceKind::Sum, ReduceKind::Mean, ReduceKind::Max] {
            Check::new("reduce", vec![x.clone()]).run(
                |_, v| match kind {
                    ReduceKind::Sum => v[0].sum(axes.clone()),
                    ReduceKind::Mean => v[0].mean(axes.clone()),
                    ReduceKind::Max => v[0].max(axes.clone()),
                },
                |a| reference(&a[0], axes.clone(), kind),
            );
        }
    }
}
