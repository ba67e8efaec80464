use crate::common::golden::Golden;
use crate::common::*;
use foveate::tape::{Gradient, Tape, Tensor};

fn reference(x: &Array, offsets: &[u32], pad: usize) -> Array {
    let [b, c, h, w] = x.shape[..] else { panic!() };
    let mut y = Array::zeros(&x.shape);
    let inside = |i: usize, offset: u32, n: usize| {
        (i as i64 + i64::from(offset.min(2 * pad as u32)) - pad as i64).clamp(0, n as i64 - 1)
            as usize
    };
    for s in 0..b {
        for k in 0..c {
            for i in 0..h {
                for j in 0..w {
                    let (p, q) = (
                        inside(i, offsets[2 * s + 1], h),
                        inside(j, offsets[2 * s], w),
                    );
                    y.data[((s * c + k) * h + i) * w + j] = x.at(&[s, k, p, q]);
                }
            }
        }
    }
    y
}

#[test]
fn every_corner_and_odd_sizes() {
    for (i, (shape, pad, offsets)) in [
        ([1, 1, 1, 1], 4, vec![8, 0]),
        ([5, 3, 7, 5], 2, vec![0, 0, 4, 4, 0, 4, 2, 2, 3, 1]),
        ([2, 2, 9, 13], 4, vec![7, 1, 0, 8]),
        // More padding than picture: some windows see nothing but the edge.
        ([3, 1, 3, 4], 6, vec![0, 12, 12, 0, 11, 5]),
        ([2, 1, 4, 4], 0, vec![0, 0, 0, 0]),
        // Offsets beyond the padding count as its end.
        ([1, 2, 6, 6], 3, vec![1000, u32::MAX]),
    ]
    .into_iter()
    .enumerate()
    {
        let x = random(&mut rng(i as u64), &shape);
        // Pixels are copied: nothing is rounded.
        Check::new("shift", vec![x]).tolerances(0.0, 2e-5).run(
            |tape, v| v[0].shift(&fixed_u32(tape, &[shape[0], 2], &offsets), pad),
            |a| reference(&a[0], &offsets, pad),
        );
    }
}

#[test]
fn golden() {
    let (file, pool) = (Golden::open("sgqn/07c_augment"), Golden::open("sgqn/pool"));
    let (shape, obs) = pool.f32("pool.obs");
    let offsets: Vec<u32> = file
        .i32("shift.offset_xy")
        .1
        .iter()
        .map(|&v| v as u32)
        .collect();
    let tape = Tape::new();
    let x = tape.constant(&shape, &obs).unwrap();
    let y = x
        .shift(&fixed_u32(&tape, &[shape[0], 2], &offsets), 4)
        .unwrap();
    let got = computed(&tape, &y);
    let (stored, expected) = file.f32("shift.out");
    assert_eq!(stored[1..], shape[1..]);
    assert_eq!(got[..expected.len()], expected);
}

#[test]
fn the_gradient_has_the_same_bits_twice() {
    let tape = Tape::new();
    let x = tape.input("x", Tensor::f32(&[2, 3, 11, 11]));
    let y = x
        .shift(&fixed_u32(&tape, &[2, 2], &[0, 8, 8, 0]), 4)
        .unwrap();
    let g = random(&mut rng(3), &[2, 3, 11, 11]).f32();
    let seed = tape.constant(&[2, 3, 11, 11], &g).unwrap();
    let dx = tape
        .gradients_seeded(&[(y, seed)], &[x], Gradient::True)
        .unwrap();
    tape.output("dx", dx[0].as_ref().unwrap());
    let program = tape.compile(&gpu()).unwrap();
    let mut runs = (0..2).map(|_| {
        program.poison().unwrap();
        program.run().unwrap();
        program.read_blocking::<u32>("dx").unwrap()
    });
    assert_eq!(runs.next(), runs.next());
}

#[test]
fn mistakes() {
    let tape = Tape::new();
    let x = tape.input("x", Tensor::f32(&[2, 3, 8, 8]));
    let offsets = tape.input("offsets", Tensor::u32(&[3, 2]));
    let error = x.shift(&offsets, 4).unwrap_err().to_string();
    assert!(
        error.contains("u32[3, 2]") && error.contains("u32[B, 2]"),
        "{error}"
    );
    assert!(
        x.shift(&offsets, 1 << 20)
            .unwrap_err()
            .to_string()
            .contains("1048576")
    );
}
