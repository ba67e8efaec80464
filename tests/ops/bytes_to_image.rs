use crate::common::*;
use foveate::tape::{Gradient, Tape, Tensor};

#[test]
fn every_byte_and_every_rest() {
    for shape in [
        vec![1, 1, 1, 1],
        vec![2, 3, 5, 7],
        vec![1, 1, 3, 1],
        vec![3, 9, 16, 16],
    ] {
        let n: usize = shape.iter().product();
        let bytes: Vec<u8> = (0..n).map(|i| (i * 37 % 256) as u8).collect();
        let tape = Tape::new();
        let y = fixed_u8(&tape, &shape, &bytes).bytes_to_image().unwrap();
        assert_eq!(y.shape(), shape);
        let expected: Vec<f32> = bytes.iter().map(|&b| f32::from(b)).collect();
        assert_eq!(computed(&tape, &y), expected);
    }
}

#[test]
fn bytes_have_no_gradient_and_floats_are_refused() {
    let tape = Tape::new();
    let bytes = tape.input("bytes", Tensor::u8(&[1, 3, 2, 2]));
    let loss = bytes.bytes_to_image().unwrap().sum(0..4).unwrap();
    let gradients = tape.gradients(&loss, &[bytes], Gradient::True).unwrap();
    assert!(gradients[0].is_none());
    let floats = tape.input("floats", Tensor::f32(&[2]));
    assert!(
        floats
            .bytes_to_image()
            .unwrap_err()
            .to_string()
            .contains("f32[2]")
    );
}
