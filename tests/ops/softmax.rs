use crate::common::*;
use foveate::tape::Tape;

fn reference(x: &Array) -> Array {
    let mut y = x.clone();
    for row in y.data.chunks_exact_mut(x.shape[x.shape.len() - 1]) {
        let top = row.iter().copied().fold(f64::MIN, f64::max);
        row.iter_mut().for_each(|v| *v = (*v - top).exp());
        let sum: f64 = row.iter().sum();
        row.iter_mut().for_each(|v| *v /= sum);
    }
    y
}

#[test]
fn rows_of_any_length() {
    for shape in [
        vec![1],
        vec![5],
        vec![3, 64],
        vec![2, 3, 65],
        vec![2, 1000],
        vec![130, 4],
    ] {
        let x = random(&mut rng(shape.len() as u64), &shape).map(|v| 3.0 * v);
        Check::new(&format!("softmax {shape:?}"), vec![x])
            .tolerances(3e-6, 3e-5)
            .run(|_, v| v[0].softmax(), |a| reference(&a[0]));
    }
}

/// More rows than workgroups fit in one dimension of a dispatch.
#[test]
fn many_rows() {
    let x = random(&mut rng(8), &[66_000, 2]);
    Check::new("softmax", vec![x])
        .tolerances(3e-6, 3e-5)
        .run(|_, v| v[0].softmax(), |a| reference(&a[0]));
}

/// Large values of either sign, and equal ones.
#[test]
fn far_out() {
    let x = Array::new(
        &[4, 3],
        vec![
            3e4, 3e4, -3e4, -1e30, -1e30, -1e30, 1e30, 0.0, -1e30, 700.0, 701.0, 702.0,
        ],
    );
    Check::new("softmax", vec![x])
        .tolerances(3e-6, 1.0)
        .without_gradient(0)
        .run(|_, v| v[0].softmax(), |a| reference(&a[0]));
}

#[test]
fn mistakes_are_named() {
    let message = Tape::new()
        .full(&[3, 0], 0.0)
        .softmax()
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("softmax") && message.contains("[3, 0]"),
        "{message}"
    );
}
