use crate::common::*;
use foveate::tape::Tape;

fn reference(x: &Array, order: &[usize]) -> Array {
    let shape: Vec<usize> = order.iter().map(|&axis| x.shape[axis]).collect();
    let mut y = Array::zeros(&shape);
    for (at, value) in x.data.iter().enumerate() {
        let place = |axis: usize| {
            let stride: usize = x.shape[axis + 1..].iter().product();
            at / stride % x.shape[axis]
        };
        let to = (order.iter()).fold(0, |to, &axis| to * x.shape[axis] + place(axis));
        y.data[to] = *value;
    }
    y
}

#[test]
fn orders_and_their_gradients() {
    let cases: [(&[usize], &[usize]); 15] = [
        (&[1], &[0]),
        (&[5], &[0]),
        (&[7, 131], &[1, 0]),
        (&[2, 3, 5], &[0, 1, 2]),
        (&[2, 3, 5], &[2, 0, 1]),
        (&[1, 3, 1, 5], &[3, 2, 1, 0]),
        // Patches, and back.
        (&[2, 3, 4, 5, 2, 5], &[0, 2, 4, 1, 3, 5]),
        (&[2, 4, 2, 3, 5, 5], &[0, 3, 1, 4, 2, 5]),
        (&[2, 3, 2, 3, 2, 3], &[5, 3, 1, 4, 2, 0]),
        // Fours that stay together, and such as do not.
        (&[2, 3, 2, 4, 3, 4], &[0, 2, 4, 1, 3, 5]),
        (&[3, 5, 8], &[1, 0, 2]),
        (&[5, 4], &[1, 0]),
        (&[3, 5, 6], &[1, 0, 2]),
        (&[4, 2, 3], &[0, 1, 2]),
        // Eight dimensions of which neighbours stay together.
        (&[2, 2, 3, 1, 2, 2, 2, 3], &[6, 7, 4, 5, 3, 2, 0, 1]),
    ];
    for (shape, order) in cases {
        let x = random(&mut rng(1), shape);
        Check::new(&format!("permute {shape:?} {order:?}"), vec![x])
            .run(|_, v| v[0].permute(order), |a| reference(&a[0], order));
    }
}

#[test]
fn mistakes_are_named() {
    let x = Tape::new().full(&[4, 6], 0.0);
    for order in [&[0][..], &[0, 0], &[0, 2], &[0, 1, 2]] {
        let message = x.permute(order).unwrap_err().to_string();
        assert!(
            message.contains("permute") && message.contains("[4, 6]"),
            "{message}"
        );
    }
    let deep = Tape::new().full(&[2; 7], 0.0);
    let message = deep
        .permute(&[6, 5, 4, 3, 2, 1, 0])
        .unwrap_err()
        .to_string();
    assert!(message.contains("at most 6"), "{message}");
}
