use crate::common::golden::Golden;
use crate::common::*;
use foveate::tape::{Tape, Tensor};

/// By definition, in float64.
fn reference(x: &Array, kernels: &Array) -> Array {
    let [b, c, h, w] = x.shape[..] else { panic!() };
    let mut y = Array::zeros(&x.shape);
    for s in 0..b {
        for k in 0..c {
            let (frame, colour) = (k / 3, k % 3);
            for i in 0..h {
                for j in 0..w {
                    let mut sum = 0.0;
                    for tap in 0..27 {
                        let (from, row, column) = (tap / 9, tap / 3 % 3, tap % 3);
                        let near = (i + row).clamp(1, h) - 1;
                        let beside = (j + column).clamp(1, w) - 1;
                        sum += kernels.at(&[s, colour, from, row, column])
                            * x.at(&[s, 3 * frame + from, near, beside])
                            / 255.0;
                    }
                    y.data[((s * c + k) * h + i) * w + j] = 255.0 / (1.0 + (-sum).exp());
                }
            }
        }
    }
    y
}

fn run(x: &Array, kernels: &Array) -> Vec<f32> {
    let tape = Tape::new();
    let constant = |a: &Array| tape.constant(&a.shape, &a.f32()).unwrap();
    let y = constant(x).random_conv(&constant(kernels)).unwrap();
    tape.output("y", &y);
    let program = tape.compile(&gpu()).unwrap();
    program.poison().unwrap();
    program.run().unwrap();
    program.read_blocking("y").unwrap()
}

/// One pixel, sides of no round number, more pixels than a workgroup has lanes; kernels
/// so steep that the sigmoid is at its ends.
#[test]
fn every_sample_has_a_kernel_of_its_own() {
    for (shape, steepness) in [
        (vec![1, 3, 1, 1], 1.0),
        (vec![3, 9, 7, 5], 1.0),
        (vec![2, 6, 13, 12], 3.0),
        (vec![1, 3, 4, 4], 500.0),
    ] {
        let x = random(&mut rng(3), &shape).map(|v| 127.5 + 127.5 * v.clamp(-1.0, 1.0));
        let kernels = random(&mut rng(4), &[shape[0], 3, 3, 3, 3]).map(|v| steepness * v);
        let (x, kernels) = (
            x.map(|v| f64::from(v as f32)),
            kernels.map(|v| f64::from(v as f32)),
        );
        let expected = reference(&x, &kernels);
        for (i, (got, right)) in run(&x, &kernels).iter().zip(&expected.data).enumerate() {
            let error = (f64::from(*got) - right).abs();
            assert!(
                error <= 255.0 * 2e-6 * steepness.max(1.0),
                "{shape:?} {i}: {got} {right}"
            );
        }
    }
}

/// The released code's picture from its own kernels.
#[test]
fn golden() {
    let (file, pool) = (Golden::open("sgqn/07c_augment"), Golden::open("sgqn/pool"));
    let all = pool.array("pool.obs");
    let (_, index) = file.i32("random_conv.input.index");
    let sample = 9 * 84 * 84;
    let picked = |i: &i32| all.data[*i as usize * sample..][..sample].to_vec();
    let x = Array::new(&[4, 9, 84, 84], index.iter().flat_map(picked).collect());
    let got = run(&x, &file.array("random_conv.input.kernel"));
    let close = |got: &[f32], name: &str| {
        let expected = file.array(name).data;
        assert_eq!(got.len(), expected.len(), "{name}");
        for (got, right) in got.iter().zip(&expected) {
            assert!(
                (f64::from(*got) - right).abs() < 5e-4,
                "{name}: {got} for {right}"
            );
        }
    };
    close(&got[..sample], "random_conv.out.sample0");
    close(
        &got[3 * sample + 6 * 84 * 84..],
        "random_conv.out.last_sample_frame2",
    );
}

#[test]
fn other_shapes_are_refused() {
    let tape = Tape::new();
    let x = tape.input("x", Tensor::f32(&[2, 6, 4, 4]));
    for shape in [&[1, 3, 3, 3, 3][..], &[2, 3, 3, 3], &[2, 6, 3, 3, 3]] {
        let kernels = tape.input("k", Tensor::f32(shape));
        let message = x.random_conv(&kernels).unwrap_err().to_string();
        assert!(message.contains("f32[B, 3, 3, 3, 3]"), "{message}");
    }
}
