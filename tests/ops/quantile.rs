use crate::common::golden::Golden;
use crate::common::*;
use foveate::tape::{Program, Tape, Tensor};

/// Quantiles of the rows of `x`, by every kernel, which agree to the bit.
fn quantile(rows: usize, row: usize, x: &[f32], rho: f32) -> Vec<f32> {
    let [by_group, by_lane] = [false, true].map(|by_lane| {
        let mut choices = gpu().choices();
        let key = kernel_for_rows("quantile/select", row, by_lane);
        choices.insert(format!("quantile/select {rows}x{row}"), key.clone());
        gpu().set_choices(choices);
        let (results, ran) = quantile_chosen(rows, row, x, rho);
        if gpu().capabilities().software {
            assert_eq!(ran, key);
        }
        results
    });
    let bits = |values: &[f32]| -> Vec<u32> { values.iter().map(|v| v.to_bits()).collect() };
    assert_eq!(bits(&by_group), bits(&by_lane), "rho {rho}, rows of {row}");
    by_lane
}

/// Quantiles of the rows of `x`, and the kernel that found them.
fn quantile_chosen(rows: usize, row: usize, x: &[f32], rho: f32) -> (Vec<f32>, &'static str) {
    let tape = Tape::new();
    let y = tape
        .input("x", Tensor::f32(&[rows, row]))
        .quantile(rho)
        .unwrap();
    assert_eq!(y.shape(), [rows, 1]);
    tape.output("y", &y);
    let program = tape.compile(&gpu()).unwrap();
    program.poison().unwrap();
    program.write("x", x).unwrap();
    program.run().unwrap();
    let ran = program.dispatches().map(|d| d.1);
    let ran = ran.last().unwrap_or_default();
    (program.read_blocking("y").unwrap(), ran)
}

/// By sorting: the position in f32 as PyTorch has it, the interpolation in float64.
/// Returns the two order statistics and the quantile.
fn reference(row: &[f32], rho: f32) -> (f32, f32, f64) {
    let mut sorted = row.to_vec();
    sorted.sort_by(f32::total_cmp);
    let position = rho * (row.len() - 1) as f32;
    let (a, b) = (
        sorted[position.floor() as usize],
        sorted[position.ceil() as usize],
    );
    let weight = (position - position.floor()) as f64;
    (a, b, a as f64 + weight * (b as f64 - a as f64))
}

fn check(what: &str, rows: usize, x: &[f32], rho: f32) {
    let row = x.len() / rows;
    let got = quantile(rows, row, x, rho);
    for (r, y) in got.iter().enumerate() {
        let (a, b, q) = reference(&x[r * row..][..row], rho);
        if a == b {
            assert_eq!(*y, a, "{what}: rho {rho}, row {r} of {row}");
        } else {
            // Interpolating rounds thrice, at the size of the larger of the two.
            let allowed = 3.0 * f32::EPSILON as f64 * (a.abs() as f64).max(b.abs() as f64) + 1e-37;
            assert!(
                (*y as f64 - q).abs() <= allowed,
                "{what}: rho {rho}, row {r} of {row}: {y} for {q}"
            );
        }
    }
}

#[test]
fn rows_of_every_length() {
    for (rows, row) in [
        (1, 1),
        (3, 2),
        (70, 5),
        (2, 63),
        (2, 64),
        (3, 65),
        (2, 1000),
        (3, 7056),
        (9, 68),
        (1, 16_384),
    ] {
        let x = random(&mut rng(row as u64), &[rows, row]).f32();
        for rho in [0.0, 0.3, 0.5, 0.95, 0.98, 1.0] {
            check("random", rows, &x, rho);
        }
    }
}

/// Where the position is a whole number the result is that element, bit for bit.
#[test]
fn order_statistics_are_exact() {
    let x = random(&mut rng(4), &[257]).f32();
    let mut sorted = x.clone();
    sorted.sort_by(f32::total_cmp);
    for k in [0usize, 1, 64, 128, 200, 255, 256] {
        assert_eq!(quantile(1, 257, &x, k as f32 / 256.0), [sorted[k]]);
    }
}

#[test]
fn ties_signs_and_sizes_far_apart() {
    let n = 1001;
    let values = random(&mut rng(5), &[n]).f32();
    let few: Vec<f32> = values.iter().map(|v| (v * 6.0).floor()).collect();
    let sparse: Vec<f32> = (0..n)
        .map(|i| if i % 80 == 0 { values[i].abs() } else { 0.0 })
        .collect();
    let exponents: Vec<f32> = (0..n)
        .map(|i| values[i] * 10f32.powi(i as i32 % 70 - 35))
        .collect();
    let negative: Vec<f32> = values.iter().map(|v| -1e30 * v.abs()).collect();
    let neighbours: Vec<f32> = (0..n)
        .map(|i| f32::from_bits(0x3F80_0000 + (i as u32 * 577) % 1001))
        .collect();
    let zeros: Vec<f32> = (0..n)
        .map(|i| if i % 2 == 0 { 0.0 } else { -0.0 })
        .collect();
    for (what, x) in [
        ("few values", &few),
        ("mostly zero", &sparse),
        ("all exponents", &exponents),
        ("negative", &negative),
        ("neighbouring numbers", &neighbours),
        ("zeros of both signs", &zeros),
        ("constant", &vec![-3.25; n]),
    ] {
        for rho in [0.0, 0.013, 0.5, 0.949, 0.95, 0.9995, 1.0] {
            check(what, 1, x, rho);
        }
    }
}

#[test]
fn the_same_bits_twice() {
    let x = random(&mut rng(6), &[12, 7056]).f32();
    assert_eq!(quantile(12, 7056, &x, 0.98), quantile(12, 7056, &x, 0.98));
}

#[test]
fn what_does_not_fit_is_refused() {
    let tape = Tape::new();
    let x = tape.full(&[2, 3], 1.0);
    for rho in [-0.1, 1.01, f32::NAN] {
        let message = x.quantile(rho).unwrap_err().to_string();
        assert!(
            message.contains("quantile") && message.contains("rho"),
            "{message}"
        );
    }
    let empty = tape
        .input("empty", Tensor::f32(&[2, 0]))
        .quantile(0.5)
        .unwrap_err()
        .to_string();
    assert!(empty.contains("[2, 0]"), "{empty}");
}

/// Attribution → magnitude per frame → threshold → mask, for `batch` stacks of 3 frames.
fn masking(batch: usize, attribution: &[f32], rho: f32) -> Program {
    let tape = Tape::new();
    let map = tape.input("attribution", Tensor::f32(&[batch, 9, 84, 84]));
    let magnitude = map.frame_magnitude(3).unwrap();
    let threshold = magnitude.quantile(rho).unwrap();
    tape.output("mask", &magnitude.at_least(&threshold).unwrap());
    tape.output("threshold", &threshold);
    let program = tape.compile(&gpu()).unwrap();
    program.poison().unwrap();
    program.write("attribution", attribution).unwrap();
    program.run().unwrap();
    program
}

fn assert_mask(program: &Program, golden: &Golden, name: &str) -> Vec<f32> {
    let mask: Vec<f32> = program.read_blocking("mask").unwrap();
    let (_, expected) = golden.f32(name);
    let different = mask.iter().zip(&expected).filter(|(a, b)| a != b).count();
    assert_eq!((mask.len(), different), (expected.len(), 0), "{name}");
    mask
}

#[test]
fn masks_of_guided_backpropagation() {
    let golden = Golden::open("sgqn/04_attribution");
    let (_, attribution) = golden.f32("out.guided_backprop");
    for rho in ["0.95", "0.98"] {
        let program = masking(4, &attribution, rho.parse().unwrap());
        let threshold: Vec<f32> = program.read_blocking("threshold").unwrap();
        let name = format!("out.threshold.guided_backprop.rho{rho}");
        assert_close(&name, &threshold, &golden.array(&name).data, 5e-5);
        assert_mask(
            &program,
            &golden,
            &format!("out.mask.guided_backprop.rho{rho}"),
        );
    }
}

/// Ties at the quantile, a map that is almost all zero, a constant map.
#[test]
fn masks_of_the_edge_cases() {
    let golden = Golden::open("sgqn/04_attribution");
    let (_, attribution) = golden.f32("edge.input.attribution");
    let program = masking(1, &attribution, 0.95);
    let mask = assert_mask(&program, &golden, "edge.out.mask.rho0.95");
    let counts: Vec<i32> = mask
        .chunks(84 * 84)
        .map(|m| m.iter().sum::<f32>() as i32)
        .collect();
    assert_eq!(counts, golden.i32("edge.out.count.rho0.95").1);
}
