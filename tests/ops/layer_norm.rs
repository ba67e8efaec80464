use crate::common::*;
use foveate::tape::{Gradient, Tape, Tensor};

const EPS: f64 = 1e-5;

fn reference(a: &[Array]) -> Array {
    let (x, gain, bias) = (&a[0], &a[1], &a[2]);
    let width = gain.data.len();
    let mut y = x.clone();
    for row in y.data.chunks_exact_mut(width) {
        let mean = row.iter().sum::<f64>() / width as f64;
        let variance = row.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / width as f64;
        for (j, v) in row.iter_mut().enumerate() {
            *v = (*v - mean) / (variance + EPS).sqrt() * gain.data[j] + bias.data[j];
        }
    }
    y
}

/// Chooses, for `layer_norm` of such a shape, kernels with a workgroup for each row
/// or with an invocation for each (where the device has that choice).
fn choose(shape: &[usize], by_lane: bool) {
    let width = shape[shape.len() - 1];
    let rows = shape.iter().product::<usize>() / width;
    let mut choices = gpu().choices();
    for kernel in ["layer_norm/forward", "layer_norm/input_gradient"] {
        let key = kernel_for_rows(kernel, width, by_lane);
        choices.insert(format!("{kernel} {rows}x{width}"), key);
    }
    gpu().set_choices(choices);
}

/// Few and many rows (their sum is then in two passes), short and long ones, whole fours
/// and blocks of them or not, by every kernel.
#[test]
fn all_gradients() {
    for (seed, shape) in [
        (1, vec![4, 1]),
        (6, vec![3]),
        (2, vec![3, 5]),
        (3, vec![7, 100]),
        (4, vec![2, 3, 257]),
        (5, vec![300, 9]),
        (7, vec![9, 4]),
        (8, vec![17, 52]),
        (9, vec![130, 16]),
        (10, vec![2, 256]),
    ] {
        let mut rng = rng(seed);
        let width = shape[shape.len() - 1];
        let inputs = vec![
            random(&mut rng, &shape),
            random(&mut rng, &[width]),
            random(&mut rng, &[width]),
        ];
        for by_lane in [false, true] {
            choose(&shape, by_lane);
            let name = format!("layer_norm {shape:?}, row by lane: {by_lane}");
            Check::new(&name, inputs.clone())
                .tolerances(5e-6, 3e-5)
                .run(|_, v| v[0].layer_norm(&v[1], &v[2], EPS as f32), reference);
        }
    }
}

/// Rows far from zero: the variance must not cancel. Constant rows become the bias.
#[test]
fn large_means_and_constant_rows() {
    for (width, by_lane) in [(65, false), (65, true), (68, false), (68, true)] {
        let mut rng = rng(6);
        let mut x = random(&mut rng, &[4, width]).map(|v| 100.0 + (v * 64.0).round() / 64.0);
        x.data[width..2 * width].fill(-31.0);
        choose(&x.shape, by_lane);
        let inputs = vec![x, random(&mut rng, &[width]), random(&mut rng, &[width])];
        Check::new(&format!("layer_norm, {width} wide, {by_lane}"), inputs)
            .tolerances(1e-4, 1.0)
            .without_gradient(0)
            .without_gradient(1)
            .without_gradient(2)
            .run(|_, v| v[0].layer_norm(&v[1], &v[2], EPS as f32), reference);
    }
}

/// What is chosen runs, and software devices take many rows by lane unasked.
#[test]
fn kernels_are_chosen() {
    let keys = |shape: [usize; 2]| -> Vec<&'static str> {
        let tape = Tape::new();
        let x = tape.input("x", Tensor::f32(&shape));
        let (gain, bias) = (tape.full(&shape[1..], 1.0), tape.full(&shape[1..], 0.0));
        tape.output("y", &x.layer_norm(&gain, &bias, EPS as f32).unwrap());
        let program = tape.compile(&gpu()).unwrap();
        let keys = program.dispatches().map(|d| d.1);
        keys.filter(|key| key.starts_with("layer_norm/")).collect()
    };
    for (shape, software) in [
        ([8, 12], "layer_norm/forward.rows_quads"),
        ([8, 13], "layer_norm/forward.rows"),
        ([7, 12], "layer_norm/forward"),
    ] {
        let expected = match gpu().capabilities().software {
            true => software,
            false => "layer_norm/forward",
        };
        assert_eq!(keys(shape), [expected], "{shape:?}");
        choose(&shape, false);
        assert_eq!(keys(shape), ["layer_norm/forward"], "{shape:?}");
    }
}

/// Twice the same bits, although the gradients of gain and bias are long sums.
#[test]
fn deterministic() {
    let (mut rng, tape) = (rng(7), Tape::new());
    let x = random(&mut rng, &[1000, 70]);
    let input = tape.input("x", Tensor::f32(&x.shape));
    let gain = tape
        .constant(&[70], &random(&mut rng, &[70]).f32())
        .unwrap();
    let bias = tape.full(&[70], 0.5);
    let y = input.layer_norm(&gain, &bias, EPS as f32).unwrap();
    let seed = tape
        .constant(&x.shape, &random(&mut rng, &x.shape).f32())
        .unwrap();
    let grads = tape
        .gradients_seeded(&[(y, seed)], &[input, gain, bias], Gradient::True)
        .unwrap();
    for (i, g) in grads.iter().enumerate() {
        tape.output(&i.to_string(), g.as_ref().unwrap());
    }
    let program = tape.compile(&gpu()).unwrap();
    program.write("x", &x.f32()).unwrap();
    let run = || -> Vec<Vec<f32>> {
        program.poison().unwrap();
        program.run().unwrap();
        ["0", "1", "2"]
            .map(|i| program.read_blocking(i).unwrap())
            .into()
    };
    assert_eq!(run(), run());
}

#[test]
fn mistakes_are_named() {
    let tape = Tape::new();
    let (x, gain) = (tape.full(&[4, 6], 0.0), tape.full(&[4], 1.0));
    let message = x.layer_norm(&gain, &gain, 1e-5).unwrap_err().to_string();
    assert!(
        message.contains("layer_norm") && message.contains("[4, 6]"),
        "{message}"
    );
    let gain = tape.full(&[6], 1.0);
    assert!(
        x.layer_norm(&gain, &gain, 0.0)
            .unwrap_err()
            .to_string()
            .contains("eps")
    );
}
