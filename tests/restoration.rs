//! How well a masked autoencoder restores pictures: its errors against float64, from what it
//! says that it saw, hid and restored.

mod common;

use common::{gpu, rng};
use foveate::data::ImageSet;
use foveate::gpu::Gpu;
use foveate::nn::Method;
use foveate::pretrain::{
    Images, Pictures, PretrainConfig, PretrainLearner, Reconstructor, Restoration, Visible,
    cross_modal_patches, measure,
};
use rand::RngExt;

const SIDE: usize = 8;
const PATCH: usize = 4;
/// Of one picture.
const PATCHES: usize = (SIDE / PATCH) * (SIDE / PATCH);
const PLANE: usize = SIDE * SIDE;
/// More than are measured at a time, and a rest.
const COUNT: usize = 70;
/// Pictures that errors are measured on at a time.
const AT_ONCE: usize = 32;

/// Mean and deviation of ImageNet's colours (SPEC.md B).
const COLOURS: [[f64; 2]; 3] = [[0.485, 0.229], [0.456, 0.224], [0.406, 0.225]];

fn normalised(byte: u8, channel: usize) -> f64 {
    let [mean, deviation] = COLOURS[channel];
    (f64::from(byte) / 255.0 - mean) / deviation
}

fn config(method: Method) -> PretrainConfig {
    PretrainConfig {
        image_size: SIDE,
        patch: PATCH,
        dim: 16,
        decoder_dim: 16,
        depth: 1,
        decoder_depth: 1,
        heads: 2,
        decoder_heads: 2,
        num_encoded_tokens: if method == Method::MultiMae { 4 } else { 2 },
        ..PretrainConfig::new(method, "tiny").unwrap()
    }
}

/// Pictures of noise with saliency, on the device, and RGB as bytes.
fn pictures(gpu: &Gpu) -> (Pictures, Vec<u8>) {
    let mut rng = rng(5);
    let mut noise = |len: usize| -> Vec<u8> { (0..len).map(|_| rng.random()).collect() };
    let (rgb, saliency) = (noise(COUNT * 3 * PLANE), noise(COUNT * PLANE));
    let pictures = Pictures::new(gpu, SIDE, &rgb, Some(&saliency)).unwrap();
    (pictures, rgb)
}

/// Squared errors of RGB over hidden patches: their sum of means, and how many patches.
fn of_hidden(seen: &Restoration, rgb: &[u8], slots: &[u32]) -> [f64; 2] {
    let (name, restored) = &seen.restored[0];
    assert_eq!(name, "rgb");
    let tokens = seen.masked.len() / slots.len();
    let (mut sum, mut hidden) = (0.0, 0.0);
    for (i, slot) in slots.iter().enumerate() {
        let picture = &rgb[*slot as usize * 3 * PLANE..][..3 * PLANE];
        for patch in 0..PATCHES {
            if seen.masked[i * tokens + patch] == 0.0 {
                continue;
            }
            hidden += 1.0;
            let [row, column] = [patch / (SIDE / PATCH), patch % (SIDE / PATCH)];
            for place in 0..3 * PATCH * PATCH {
                let (channel, y, x) = (place / 16, place / PATCH % PATCH, place % PATCH);
                let pixel = channel * PLANE + (row * PATCH + y) * SIDE + column * PATCH + x;
                let right = normalised(picture[pixel], channel);
                let error = f64::from(restored[i * 3 * PLANE + pixel]) - right;
                sum += error * error / (3 * PATCH * PATCH) as f64;
            }
        }
    }
    [sum, hidden]
}

#[track_caller]
fn assert_near(got: f64, right: f64) {
    assert!((got / right - 1.0).abs() < 1e-5, "{got} {right}");
}

/// Errors are those of RGB, normalised, behind hidden patches alone: each batch's, and over
/// all batches by the number of patches that each hides.
///
/// Sabotages tried: errors of visible patches, half of the squares, batches weighted alike,
/// the same masks for every batch. Each turns this red.
#[test]
fn errors_are_those_of_hidden_patches() {
    let gpu = gpu();
    let (pictures, rgb) = pictures(&gpu);
    let all: Vec<u32> = (0..COUNT as u32).collect();
    for (method, saliency, visible) in [
        (Method::Mae, false, vec![Visible::Sampled]),
        (
            Method::MultiMae,
            true,
            vec![
                Visible::Sampled,
                Visible::Rgb {
                    patches: 3,
                    saliency: true,
                },
                Visible::Rgb {
                    patches: 1,
                    saliency: false,
                },
            ],
        ),
    ] {
        let learner = PretrainLearner::new(&gpu, &config(method), saliency).unwrap();
        for visible in visible {
            let model = Reconstructor::new(&gpu, &learner, &pictures, AT_ONCE, visible).unwrap();
            let (mut sum, mut hidden) = (0.0, vec![]);
            for (number, slots) in all.chunks_exact(AT_ONCE).enumerate() {
                let seen = model.run(slots, number as u32).unwrap();
                let [error, count] = of_hidden(&seen, &rgb, slots);
                assert_eq!(seen.rgb_hidden as f64, count, "{visible:?}");
                assert_near(seen.rgb_error.unwrap(), error / count);
                if let Visible::Rgb { patches, saliency } = visible {
                    assert_eq!(count as usize, AT_ONCE * (PATCHES - patches));
                    let tokens = seen.masked.chunks_exact(2 * PATCHES);
                    let others: f32 = tokens.flat_map(|t| &t[PATCHES..]).sum();
                    let none = if saliency { 0 } else { AT_ONCE * PATCHES };
                    assert_eq!(others, none as f32);
                }
                sum += error;
                hidden.push(count);
            }
            assert_eq!(hidden.len(), 2, "a rest that fills no batch is left out");
            let sampled = visible == Visible::Sampled && method == Method::MultiMae;
            assert_eq!(hidden[0] != hidden[1], sampled, "{hidden:?}");
            let mean = model.mean_rgb_error(&all).unwrap().unwrap();
            assert_near(mean, sum / hidden.iter().sum::<f64>());
        }
    }
}

/// What a run is summarised by: masks as in training, and the same patches without saliency
/// and with it.
///
/// Sabotage tried: one in the place of the other. Turns this red.
#[test]
fn a_model_is_measured_behind_these_masks() {
    let gpu = gpu();
    let (pictures, _) = pictures(&gpu);
    let all: Vec<u32> = (0..COUNT as u32).collect();
    let learner = PretrainLearner::new(&gpu, &config(Method::MultiMae), true).unwrap();
    let error = |visible| {
        let model = Reconstructor::new(&gpu, &learner, &pictures, AT_ONCE, visible).unwrap();
        model.mean_rgb_error(&all).unwrap().unwrap()
    };
    let measured = measure(&gpu, &learner, &pictures).unwrap();
    assert_eq!(measured.masked, Some(error(Visible::Sampled)));
    let patches = cross_modal_patches(&learner);
    assert_eq!(patches, 2);
    let of = |saliency| error(Visible::Rgb { patches, saliency });
    let cross = measured.cross_modal.unwrap();
    assert_eq!(cross.without_saliency, of(false));
    assert_eq!(cross.with_saliency, of(true));
    assert_ne!(cross.without_saliency, cross.with_saliency);
}

/// The yardstick beside them: the mean of the pictures that train, as a guess of those that
/// do not; of all where none is kept.
///
/// Sabotages tried: the mean of all pictures, the sum of errors over all pictures' pixels.
/// Each turns this red.
#[test]
fn the_mean_image_is_that_of_training() {
    let folder = tempfile::tempdir().unwrap();
    let mut rng = rng(2);
    let pictures: Vec<Vec<u8>> = (0..10)
        .map(|_| (0..3 * PLANE).map(|_| rng.random()).collect())
        .collect();
    for (i, picture) in pictures.iter().enumerate() {
        let of = |x: u32, y: u32, c: usize| picture[c * PLANE + y as usize * SIDE + x as usize];
        let pixel = |x, y| image::Rgb([0, 1, 2].map(|c| of(x, y, c)));
        let drawn = image::RgbImage::from_fn(SIDE as u32, SIDE as u32, pixel);
        drawn.save(folder.path().join(format!("{i}.png"))).unwrap();
    }
    let set = ImageSet::read(folder.path(), None).unwrap();
    for (validation, training, judged) in [(0.3, 0..7, 7..10), (0.0, 0..10, 0..10)] {
        let config = PretrainConfig {
            validation,
            ..config(Method::Mae)
        };
        let images = Images::new(&set, &config).unwrap();
        let squares = |place: usize| -> f64 {
            let value = |i: usize| normalised(pictures[i][place], place / PLANE);
            let mean = training.clone().map(value).sum::<f64>() / training.len() as f64;
            judged.clone().map(|i| (value(i) - mean).powi(2)).sum()
        };
        let sum: f64 = (0..3 * PLANE).map(squares).sum();
        let right = sum / (judged.len() * 3 * PLANE) as f64;
        assert_near(images.mean_image_error(), right);
        let uploaded = images.upload(&gpu()).unwrap();
        assert_eq!(uploaded.training.count(), training.len());
        assert_eq!(uploaded.validation.count(), judged.len());
    }
}
