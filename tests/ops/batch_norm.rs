use crate::common::*;
use foveate::tape::{Tape, Tensor};

const EPS: f64 = 1e-5;

fn reference(a: &[Array]) -> Array {
    let (x, gain, bias) = (&a[0], &a[1], &a[2]);
    let [batch, width] = x.shape[..] else {
        panic!()
    };
    let mut y = x.clone();
    for j in 0..width {
        let column: Vec<f64> = (0..batch).map(|b| x.at(&[b, j])).collect();
        let mean = column.iter().sum::<f64>() / batch as f64;
        let variance = column.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / batch as f64;
        for (b, v) in column.iter().enumerate() {
            let normal = (v - mean) / (variance + EPS).sqrt();
            y.data[b * width + j] = normal * gain.data[j] + bias.data[j];
        }
    }
    y
}

/// Small and odd batches, and more than a workgroup of each. Of two samples one is always
/// as far above the mean as the other is below: there is no gradient to speak of.
#[test]
fn all_gradients() {
    for (seed, shape) in [
        (1, [3, 1]),
        (2, [5, 3]),
        (3, [64, 16]),
        (4, [7, 100]),
        (5, [300, 6]),
    ] {
        let mut rng = rng(seed);
        let inputs = vec![
            random(&mut rng, &shape),
            random(&mut rng, &[shape[1]]),
            random(&mut rng, &[shape[1]]),
        ];
        Check::new(&format!("batch_norm {shape:?}"), inputs)
            .tolerances(1e-5, 1e-4)
            .run(|_, v| v[0].batch_norm(&v[1], &v[2], EPS as f32), reference);
    }
}

/// A feature that is the same everywhere becomes its bias, and a batch of one all bias.
#[test]
fn what_does_not_vary_becomes_the_bias() {
    for shape in [[1, 3], [4, 3]] {
        let tape = Tape::new();
        let x = tape.full(&shape, 7.0);
        let gain = tape.constant(&[3], &[2.0, -1.0, 5.0]).unwrap();
        let bias = tape.constant(&[3], &[0.5, 0.25, -3.0]).unwrap();
        let y = x.batch_norm(&gain, &bias, 1e-5).unwrap();
        let expected = [0.5, 0.25, -3.0].repeat(shape[0]);
        assert_eq!(computed(&tape, &y), expected);
    }
}

#[test]
fn other_shapes_are_refused() {
    let tape = Tape::new();
    let input = |name: &str, shape: &[usize]| tape.input(name, Tensor::f32(shape));
    let (x, three) = (input("x", &[4, 3]), input("three", &[3]));
    let (flat, four) = (input("flat", &[12]), input("four", &[4]));
    for (x, gain, bias) in [
        (&flat, &three, &three),
        (&x, &four, &three),
        (&x, &three, &four),
    ] {
        let message = x.batch_norm(gain, bias, 1e-5).unwrap_err().to_string();
        assert!(message.contains("batch_norm"), "{message}");
    }
    for eps in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        assert!(x.batch_norm(&three, &three, eps).is_err(), "{eps}");
    }
}
