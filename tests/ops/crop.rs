use crate::common::golden::Golden;
use crate::common::*;
use foveate::tape::{Tape, Tensor};

fn reference(x: &Array, offsets: &[u32], size: usize) -> Array {
    let [b, c, h, w] = x.shape[..] else { panic!() };
    let mut y = Array::zeros(&[b, c, size, size]);
    for s in 0..b {
        let top = (offsets[2 * s] as usize).min(h - size);
        let left = (offsets[2 * s + 1] as usize).min(w - size);
        for k in 0..c {
            for i in 0..size {
                for j in 0..size {
                    let pixel = x.at(&[s, k, top + i, left + j]);
                    y.data[((s * c + k) * size + i) * size + j] = pixel;
                }
            }
        }
    }
    y
}

#[test]
fn windows_at_every_border() {
    for (i, (shape, size, offsets)) in [
        ([1, 1, 1, 1], 1, vec![0, 0]),
        ([4, 3, 9, 7], 5, vec![0, 0, 4, 2, 0, 2, 3, 1]),
        ([2, 2, 13, 17], 13, vec![0, 4, 0, 0]),
        // Beyond the picture: the last window that fits.
        ([2, 1, 6, 6], 4, vec![3, u32::MAX, 2, 2]),
    ]
    .into_iter()
    .enumerate()
    {
        let x = random(&mut rng(i as u64), &shape);
        Check::new("crop", vec![x]).tolerances(0.0, 2e-5).run(
            |tape, v| v[0].crop(&fixed_u32(tape, &[shape[0], 2], &offsets), size),
            |a| reference(&a[0], &offsets, size),
        );
    }
}

#[test]
fn the_middle() {
    for (shape, size, at) in [
        ([2, 3, 12, 12], 8, [2, 2]),
        ([3, 1, 9, 12], 4, [2, 4]),
        ([1, 2, 5, 5], 5, [0, 0]),
    ] {
        let x = random(&mut rng(5), &shape);
        Check::new("center_crop", vec![x])
            .tolerances(0.0, 2e-5)
            .run(
                |_, v| v[0].center_crop(size),
                |a| reference(&a[0], &at.repeat(shape[0]), size),
            );
    }
}

#[test]
fn golden() {
    let (file, pool) = (Golden::open("sgqn/07c_augment"), Golden::open("sgqn/pool"));
    let (shape, obs) = pool.f32("pool.obs100");
    let offsets: Vec<u32> = file
        .i32("crop.offset_row_col")
        .1
        .iter()
        .map(|&v| v as u32)
        .collect();
    let tape = Tape::new();
    let x = tape.constant(&shape, &obs).unwrap();
    let y = x
        .crop(&fixed_u32(&tape, &[shape[0], 2], &offsets), 84)
        .unwrap();
    let got = computed(&tape, &y);
    let (_, expected) = file.f32("crop.out");
    assert_eq!(got[got.len() - expected.len()..], expected);
}

#[test]
fn mistakes() {
    let tape = Tape::new();
    let x = tape.input("x", Tensor::f32(&[2, 3, 8, 9]));
    let offsets = tape.input("offsets", Tensor::u32(&[2, 2]));
    for size in [0, 9] {
        let error = x.crop(&offsets, size).unwrap_err().to_string();
        assert!(
            error.contains("f32[2, 3, 8, 9]") && error.contains(&format!("{size} pixels")),
            "{error}"
        );
    }
    assert!(
        x.center_crop(9)
            .unwrap_err()
            .to_string()
            .contains("9 pixels")
    );
    let flat = tape.input("flat", Tensor::f32(&[2, 8]));
    assert!(
        flat.center_crop(3)
            .unwrap_err()
            .to_string()
            .contains("f32[2, 8]")
    );
    let floats = tape.input("floats", Tensor::f32(&[2, 2]));
    assert!(x.crop(&floats, 4).is_err());
}
