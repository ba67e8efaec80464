//! Errors of restored patches against float64.

mod common;

use common::*;
use foveate::nn::PatchLoss;

/// Of what is restored and what is true.
type OfPixel = fn(f64, f64) -> f64;

const SHAPE: [usize; 3] = [2, 3, 5];

/// The error of one pixel x, whose true value is t, averaged over each patch.
fn reference(of_pixel: OfPixel, x: &Array, t: &Array) -> Array {
    let [batch, patches, pixels] = SHAPE;
    let of_patch = |p: usize| {
        let all = p * pixels..(p + 1) * pixels;
        all.map(|i| of_pixel(x.data[i], t.data[i])).sum::<f64>() / pixels as f64
    };
    Array::new(
        &[batch, patches],
        (0..batch * patches).map(of_patch).collect(),
    )
}

#[test]
fn each_kind_of_error_and_its_gradients() {
    let mut rng = rng(1);
    let x = random(&mut rng, &SHAPE);
    // Maps are 0 to 1.
    let t = random(&mut rng, &SHAPE).map(|v| f64::from((0.5 + 0.5 * v) as f32));
    let kinds: [(PatchLoss, OfPixel); 3] = [
        (PatchLoss::Squared, |x, t| (x - t).powi(2)),
        (PatchLoss::Absolute, |x, t| (x - t).abs()),
        (PatchLoss::SquaredByValue, |x, t| {
            (x - t).powi(2) / (1.05 - t)
        }),
    ];
    for (loss, of_pixel) in kinds {
        let inputs = vec![x.clone(), t.clone()];
        Check::new(&format!("{loss:?}"), inputs)
            .tolerances(5e-6, 3e-5)
            .run(
                |_, v| loss.of_each(&v[0], &v[1]),
                |a| reference(of_pixel, &a[0], &a[1]),
            );
    }
}
