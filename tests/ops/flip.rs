use crate::common::*;
use foveate::tape::Tape;

#[test]
fn some_samples_are_mirrored() {
    for (shape, mirrored) in [
        ([1, 1, 1, 1], vec![1]),
        ([3, 2, 5, 7], vec![0, 1, 2]),
        ([2, 3, 9, 8], vec![1, 0]),
    ] {
        let x = random(&mut rng(1), &shape);
        let reference = |x: &Array| {
            let [_, c, h, w] = shape;
            let mut y = x.clone();
            for (sample, &flag) in mirrored.iter().enumerate() {
                let rows = y.data[sample * c * h * w..][..c * h * w].chunks_exact_mut(w);
                rows.filter(|_| flag != 0).for_each(<[f64]>::reverse);
            }
            y
        };
        Check::new(&format!("flip {shape:?}"), vec![x]).run(
            |tape, v| v[0].flip(&fixed_u32(tape, &[mirrored.len()], &mirrored)),
            |a| reference(&a[0]),
        );
    }
}

#[test]
fn mistakes_are_named() {
    let tape = Tape::new();
    let x = tape.full(&[2, 3, 4, 5], 0.0);
    let message = x.flip(&fixed_u32(&tape, &[3], &[0; 3])).unwrap_err();
    assert!(message.to_string().contains("flip"), "{message}");
}
