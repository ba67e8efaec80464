use crate::common::skip::skipped;
use crate::common::*;
use foveate::gpu::shader::{SHADERS, ShaderInfo};
use foveate::gpu::{Choices, Gpu, GpuError, GpuOptions, Precision};
use foveate::tape::{Gradient, Tape};

fn reference(a: &Array, b: &Array, ta: bool, tb: bool) -> Array {
    let (m, k) = if ta {
        (a.shape[1], a.shape[0])
    } else {
        (a.shape[0], a.shape[1])
    };
    let n = if tb { b.shape[0] } else { b.shape[1] };
    let mut c = Array::zeros(&[m, n]);
    for i in 0..m {
        for j in 0..n {
            c.data[i * n + j] = (0..k)
                .map(|k| {
                    let u = if ta { a.at(&[k, i]) } else { a.at(&[i, k]) };
                    let v = if tb { b.at(&[j, k]) } else { b.at(&[k, j]) };
                    u * v
                })
                .sum();
        }
    }
    c
}

#[test]
fn every_layout_and_odd_sizes() {
    for (seed, [m, n, k]) in [
        [1, 1, 1],
        [3, 5, 7],
        [65, 33, 17],
        [7, 130, 40],
        [5, 9, 1030],
    ]
    .into_iter()
    .enumerate()
    {
        for (ta, tb) in [(false, false), (true, false), (false, true), (true, true)] {
            let mut rng = rng(seed as u64);
            let a = random(&mut rng, &if ta { [k, m] } else { [m, k] });
            let b = random(&mut rng, &if tb { [n, k] } else { [k, n] });
            Check::new(&format!("matmul {m} {n} {k} {ta} {tb}"), vec![a, b])
                .tolerances(1e-5, 3e-5)
                .run(
                    |_, v| v[0].matmul_transposed(&v[1], ta, tb),
                    |a| reference(&a[0], &a[1], ta, tb),
                );
        }
    }
}

#[test]
fn linear_with_fused_relu_and_its_gradient() {
    for (seed, [m, n, k]) in [[2, 3, 4], [17, 70, 33], [4, 6, 2000]]
        .into_iter()
        .enumerate()
    {
        let mut rng = rng(10 + seed as u64);
        let inputs = vec![
            random(&mut rng, &[m, k]),
            random(&mut rng, &[n, k]),
            random(&mut rng, &[n]),
        ];
        Check::new("linear + relu", inputs)
            .tolerances(1e-5, 3e-4)
            .run(
                |_, v| v[0].linear(&v[1], &v[2])?.relu(),
                |a| {
                    let mut y = reference(&a[0], &a[1], false, true);
                    for (i, v) in y.data.iter_mut().enumerate() {
                        *v = (*v + a[2].data[i % n]).max(0.0);
                    }
                    y
                },
            );
    }
}

/// The ReLU runs inside the product: one dispatch, not two.
#[test]
fn relu_is_fused() {
    let tape = foveate::tape::Tape::new();
    let (x, w, b) = (
        tape.full(&[64, 64], 1.0),
        tape.full(&[64, 64], 1.0),
        tape.full(&[64], 1.0),
    );
    tape.output("y", &x.linear(&w, &b).unwrap().relu().unwrap());
    let program = tape.compile(&gpu()).unwrap();
    assert_eq!(
        program.dispatches().map(|d| d.0).collect::<Vec<_>>(),
        ["matmul"]
    );
}

/// The permutations on workgroup memory, one precision's, that any device can run.
fn tiles(precision: Precision) -> impl Iterator<Item = &'static str> {
    let tiled = |s: &&ShaderInfo| s.key.starts_with("matmul/matmul.tiled_");
    (SHADERS.iter())
        .filter(tiled)
        .filter(move |s| s.f16 == (precision == Precision::F16))
        .map(|s| s.key)
}

/// c = op(a) op(b) by one permutation, or relu(c + bias); and for every element what
/// float64 makes of it and the sum of the magnitudes of its terms.
struct Forced {
    got: Vec<f32>,
    expected: Vec<f64>,
    magnitudes: Vec<f64>,
}

fn forced(gpu: &Gpu, key: &'static str, [m, n, k]: [usize; 3], layout: [bool; 2]) -> Forced {
    let [ta, tb] = layout;
    let mut rng = rng((m * 7 + n * 5 + k) as u64);
    let a = random(&mut rng, &if ta { [k, m] } else { [m, k] });
    let b = random(&mut rng, &if tb { [n, k] } else { [k, n] });
    let bias = random(&mut rng, &[n]);
    // A layer has its bias and tail in the kernel, or behind the pieces of the sum.
    let layer = layout == [false, true];

    let letter = |transposed| if transposed { 't' } else { 'n' };
    let precision = match gpu.precision() {
        Precision::F32 => "",
        Precision::F16 => " f16",
    };
    let class = format!("matmul {m}x{k}x{n} {}{}{precision}", letter(ta), letter(tb));
    let mut choices = Choices::default();
    choices.insert(class, key);
    gpu.set_choices(choices);
    let tape = Tape::new();
    let constant = |array: &Array| tape.constant(&array.shape, &array.f32()).unwrap();
    let (u, v) = (constant(&a), constant(&b));
    let y = match layer {
        true => u.linear(&v, &constant(&bias)).unwrap().relu().unwrap(),
        false => u.matmul_transposed(&v, ta, tb).unwrap(),
    };
    tape.output("y", &y);
    let program = tape.compile(gpu).unwrap();
    let keys: Vec<_> = program.dispatches().map(|d| d.1).collect();
    assert!(keys.contains(&key), "{key} {m} {n} {k}: {keys:?} ran");
    program.poison().unwrap();
    program.run().unwrap();

    let mut expected = reference(&a, &b, ta, tb).data;
    if layer {
        for (i, v) in expected.iter_mut().enumerate() {
            *v = (*v + bias.data[i % n]).max(0.0);
        }
    }
    Forced {
        got: program.read_blocking("y").unwrap(),
        expected,
        magnitudes: reference(&a.map(f64::abs), &b.map(f64::abs), ta, tb).data,
    }
}

/// One; less than any tile; one more than some; several tiles; a sum in pieces.
const SIZES: [[usize; 3]; 6] = [
    [1, 1, 1],
    [3, 17, 65],
    [65, 33, 17],
    [17, 129, 9],
    [129, 65, 40],
    [5, 9, 1030],
];
const LAYOUTS: [[bool; 2]; 4] = [[false, false], [true, false], [false, true], [true, true]];

#[test]
fn every_tile_in_workgroup_memory() {
    let gpu = own_gpu();
    for key in tiles(Precision::F32) {
        for (sizes, layout) in SIZES.iter().flat_map(|&s| LAYOUTS.map(|l| (s, l))) {
            let what = format!("{key} {sizes:?} {layout:?}");
            let product = forced(&gpu, key, sizes, layout);
            assert_close(&what, &product.got, &product.expected, 1e-5);
        }
    }
}

/// Tiles that load neighbours in pairs: what comes in pairs is even, all else is any size.
#[test]
fn every_tile_of_pairs() {
    let gpu = own_gpu();
    if gpu.capabilities().subgroup_size != Some(8) {
        skipped("lanes share rows in subgroups of 8");
        return;
    }
    const LETTERS: [(&str, [bool; 2], [usize; 3]); 3] = [
        ("nn", [false, false], [1, 2, 2]),
        ("nt", [false, true], [1, 1, 2]),
        ("tn", [true, false], [2, 2, 2]),
    ];
    for (letters, layout, steps) in LETTERS {
        let prefix = format!("matmul/matmul.pairs_{letters}_");
        let tiles = SHADERS.iter().filter(|s| s.key.starts_with(&prefix));
        assert_eq!(tiles.clone().count(), 4, "{prefix}");
        for tile in tiles {
            for sizes in SIZES {
                let sizes = std::array::from_fn(|i| sizes[i].next_multiple_of(steps[i]));
                let what = format!("{} {sizes:?}", tile.key);
                let product = forced(&gpu, tile.key, sizes, layout);
                assert_close(&what, &product.got, &product.expected, 1e-5);
            }
        }
    }
}

/// A product of ones is right, and by another kernel than the one that a cache names for it.
fn is_passed_over(gpu: &Gpu, key: &'static str, letters: &str, sizes: [usize; 3]) {
    let [m, n, k] = sizes;
    let [ta, tb] = [&letters[..1], &letters[1..]].map(|letter| letter == "t");
    let mut choices = Choices::default();
    choices.insert(format!("matmul {m}x{k}x{n} {letters}"), key);
    gpu.set_choices(choices);
    let tape = Tape::new();
    let a = tape.full(&if ta { [k, m] } else { [m, k] }, 1.0);
    let b = tape.full(&if tb { [n, k] } else { [k, n] }, 1.0);
    tape.output("y", &a.matmul_transposed(&b, ta, tb).unwrap());
    let program = tape.compile(gpu).unwrap();
    let what = format!("{letters} {sizes:?}");
    assert!(program.dispatches().all(|d| d.1 != key), "{what}");
    program.run().unwrap();
    let got: Vec<f32> = program.read_blocking("y").unwrap();
    assert!(got.iter().all(|&v| v == k as f32), "{what} {got:?}");
}

/// An odd number where a pair would be needed takes another tile, even if a cache names
/// one of pairs.
#[test]
fn pairs_are_not_used_for_odd_sizes() {
    let gpu = own_gpu();
    for (letters, sizes) in [
        ("nn", [8, 9, 8]),
        ("nn", [8, 8, 9]),
        ("nt", [8, 8, 9]),
        ("tn", [9, 8, 8]),
    ] {
        let prefix = format!("matmul/matmul.pairs_{letters}_");
        for pairs in SHADERS.iter().filter(|s| s.key.starts_with(&prefix)) {
            is_passed_over(&gpu, pairs.key, letters, sizes);
        }
    }
}

/// The tile by which rows of a pass, of each layout.
const STATIONARY: [(&str, [bool; 2]); 3] = [
    ("nn", [false, false]),
    ("nt", [false, true]),
    ("tn", [true, false]),
];

fn stationary(letters: &str) -> &'static str {
    let key = format!("matmul/stationary.{letters}_128x64");
    ShaderInfo::find(&key).unwrap().key
}

fn gpu_for_stationary() -> Option<Gpu> {
    let gpu = own_gpu();
    let runs = gpu.capabilities().software && gpu.capabilities().subgroup_size == Some(8);
    if !runs {
        skipped("stationary tiles are for software devices with subgroups of 8");
    }
    runs.then_some(gpu)
}

/// Fewest rows; part of a tile in both directions; one row more than two workgroups share
/// evenly, and terms that end four after those that are held at once; and that with sums in
/// pieces.
#[test]
fn every_stationary_tile() {
    let Some(gpu) = gpu_for_stationary() else {
        return;
    };
    for (letters, layout) in STATIONARY {
        for sizes in [[96, 4, 4], [97, 100, 36], [193, 68, 132], [193, 8, 1028]] {
            let what = format!("{letters} {sizes:?}");
            let product = forced(&gpu, stationary(letters), sizes, layout);
            assert_close(&what, &product.got, &product.expected, 1e-5);
        }
        // [k, m] is loaded one by one, so neither has to be whole fours.
        if letters == "tn" {
            let product = forced(&gpu, stationary(letters), [99, 12, 131], layout);
            assert_close("tn 99 12 131", &product.got, &product.expected, 1e-5);
        }
    }
}

/// What lies in memory behind the last term of a row is the next row's: not to be summed,
/// not even times 0.
#[test]
fn a_stationary_tile_ends_with_its_terms() {
    let Some(gpu) = gpu_for_stationary() else {
        return;
    };
    let [m, n, k] = [96, 8, 36];
    for (letters, tb) in [("nn", false), ("nt", true)] {
        let mut choices = Choices::default();
        choices.insert(format!("matmul {m}x{k}x{n} {letters}"), stationary(letters));
        gpu.set_choices(choices);
        let tape = Tape::new();
        // Row 1 of a, or of the transposed b, is infinite.
        let with_row = |rows: usize, row: f32| -> Vec<f32> {
            let value = |i: usize| if i / k == 1 { row } else { 1.0 };
            (0..rows * k).map(value).collect()
        };
        let (row_a, row_b) = if tb {
            (1.0, f32::INFINITY)
        } else {
            (f32::INFINITY, 1.0)
        };
        let a = tape.constant(&[m, k], &with_row(m, row_a)).unwrap();
        let b = match tb {
            true => tape.constant(&[n, k], &with_row(n, row_b)).unwrap(),
            false => tape.full(&[k, n], 1.0),
        };
        tape.output("y", &a.matmul_transposed(&b, false, tb).unwrap());
        let program = tape.compile(&gpu).unwrap();
        assert!(program.dispatches().any(|d| d.1 == stationary(letters)));
        program.run().unwrap();
        let got: Vec<f32> = program.read_blocking("y").unwrap();
        for (i, &v) in got.iter().enumerate() {
            let touched = if tb { i % n == 1 } else { i / n == 1 };
            assert!(touched || v == k as f32, "{letters}: {v} at {i}");
        }
    }
}

/// 768³, the size of the bench, is done so where nothing was measured.
#[test]
fn the_estimate_prefers_a_stationary_tile_for_large_products() {
    let Some(gpu) = gpu_for_stationary() else {
        return;
    };
    gpu.set_choices(Choices::default());
    let tape = Tape::new();
    let a = tape.full(&[768, 768], 1.0);
    tape.output("y", &a.matmul(&a).unwrap());
    let program = tape.compile(&gpu).unwrap();
    let keys: Vec<_> = program.dispatches().map(|d| d.1).collect();
    assert_eq!(keys, [stationary("nn")]);
}

/// What is not whole fours, or has few rows, takes another tile, even if a cache names
/// this one.
#[test]
fn stationary_tiles_are_not_used_for_what_they_cannot_do() {
    let gpu = own_gpu();
    for (letters, _) in STATIONARY {
        for sizes in [[96, 6, 8], [95, 8, 8], [96, 8, 6]] {
            if letters != "tn" || sizes[2] != 6 {
                is_passed_over(&gpu, stationary(letters), letters, sizes);
            }
        }
    }
}

/// A layer behind a ReLU: the gradient of its input ends with that ReLU's gate, in the
/// product itself.
#[test]
fn a_stationary_tile_ends_with_a_gate() {
    let Some(gpu) = gpu_for_stationary() else {
        return;
    };
    let [m, n, k] = [100, 36, 20];
    // The gradient is [m, k] by [k, n].
    let mut choices = Choices::default();
    choices.insert(format!("matmul {m}x{k}x{n} nn"), stationary("nn"));
    gpu.set_choices(choices);
    let mut rng = rng(36);
    let [x, w, back] = [[m, n], [k, n], [m, k]].map(|shape| random(&mut rng, &shape));
    for rule in [Gradient::True, Gradient::Guided] {
        let tape = Tape::new();
        let constant = |array: &Array| tape.constant(&array.shape, &array.f32()).unwrap();
        let input = constant(&x);
        let y = (input.relu().unwrap())
            .linear(&constant(&w), &tape.full(&[k], 0.0))
            .unwrap();
        let seed = constant(&back);
        let g = (tape.gradients_seeded(&[(y, seed)], &[input], rule)).unwrap();
        tape.output("g", g[0].as_ref().unwrap());
        let program = tape.compile(&gpu).unwrap();
        let keys: Vec<_> = program.dispatches().map(|d| d.1).collect();
        // The ReLU, then the product with its gate: nothing behind it.
        assert_eq!(keys.last(), Some(&stationary("nn")), "{keys:?}");
        program.poison().unwrap();
        program.run().unwrap();
        let mut expected = reference(&back, &w, false, false).data;
        for (g, x) in expected.iter_mut().zip(&x.data) {
            if *x <= 0.0 || rule == Gradient::Guided && *g < 0.0 {
                *g = 0.0;
            }
        }
        let got: Vec<f32> = program.read_blocking("g").unwrap();
        assert_close(&format!("{rule:?}"), &got, &expected, 1e-5);
    }
}

/// Each operand is rounded to 11 significant bits, in whichever direction: two parts in
/// 2¹⁰ of every term. The sums are f32.
#[test]
fn every_tile_in_f16_is_as_good_as_f16_can_be() {
    let Ok(gpu) = own_gpu().with_precision(Precision::F16) else {
        skipped("the device has no f16");
        return;
    };
    for key in tiles(Precision::F16) {
        let mut largest = 0.0f64;
        for (sizes, layout) in SIZES.iter().flat_map(|&s| LAYOUTS.map(|l| (s, l))) {
            let product = forced(&gpu, key, sizes, layout);
            for (i, got) in product.got.iter().enumerate() {
                let error = (*got as f64 - product.expected[i]).abs();
                let bound = product.magnitudes[i] * 2f64.powi(-9);
                assert!(
                    error <= bound,
                    "{key} {sizes:?} {layout:?}: error {error:.2e} of {i} > {bound:.2e}"
                );
                largest = largest.max(error / product.magnitudes[i]);
            }
        }
        assert!(largest > 1e-6, "{key} does not round to f16");
    }
}

/// By cooperative matrices, on a device that has them.
#[test]
fn every_cooperative_tile() {
    let options = GpuOptions {
        experimental: true,
        ..Default::default()
    };
    let gpu = Gpu::new_blocking(options).unwrap();
    let of = gpu.capabilities().cooperative;
    if !(of.f32_8 || of.f16_16) {
        skipped("the device has no cooperative matrices");
    }
    for (there, precision, key, tolerance) in [
        (
            of.f32_8,
            Precision::F32,
            "matmul/matmul.cooperative_8",
            1e-5,
        ),
        (
            of.f16_16,
            Precision::F16,
            "matmul/matmul.cooperative_16_f16",
            2e-3,
        ),
    ] {
        if !there {
            continue;
        }
        let gpu = gpu.with_precision(precision).unwrap();
        for (sizes, layout) in SIZES.iter().flat_map(|&s| LAYOUTS.map(|l| (s, l))) {
            let what = format!("{key} {sizes:?} {layout:?}");
            let product = forced(&gpu, key, sizes, layout);
            assert_close(&what, &product.got, &product.expected, tolerance);
        }
    }
}

/// What f16 cannot hold is clamped, not infinite; sums beyond its range are f32.
#[test]
fn f16_clamps_what_it_cannot_hold() {
    let Ok(gpu) = own_gpu().with_precision(Precision::F16) else {
        skipped("the device has no f16");
        return;
    };
    let tape = Tape::new();
    let a = tape
        .constant(&[2, 2], &[1e6, 0.0, 60000.0, 60000.0])
        .unwrap();
    let b = tape.constant(&[2, 2], &[1.0, -1e9, 1.0, 0.0]).unwrap();
    tape.output("y", &a.matmul(&b).unwrap());
    let program = tape.compile(&gpu).unwrap();
    program.run().unwrap();
    let largest = 65504.0;
    // 60,000 lies between two of f16's numbers, 32 apart.
    let near = |got: f32, expected: f32| (got - expected).abs() <= expected.abs() / 1024.0;
    let got: Vec<f32> = program.read_blocking("y").unwrap();
    let expected = [largest, -largest * largest, 120000.0, -60000.0 * largest];
    assert!(
        got.iter().zip(expected).all(|(&g, e)| near(g, e)),
        "{got:?}, not {expected:?}"
    );
}

#[test]
fn f16_is_refused_at_once_where_there_is_none() {
    let base = Gpu::new_blocking(GpuOptions {
        base_path: true,
        ..Default::default()
    })
    .unwrap();
    let error = base.with_precision(Precision::F16).unwrap_err();
    assert!(matches!(error, GpuError::NoF16 { .. }), "{error}");
    assert!(error.is_user_mistake());
    let message = error.to_string();
    assert!(
        message.contains("has no f16") && message.contains("\"f32\""),
        "{message}"
    );
    assert_eq!(
        base.with_precision(Precision::F32).unwrap().precision(),
        Precision::F32
    );
}

/// The figure that README names: a product of 768 × 768 matrices of uniform numbers.
#[test]
fn a_large_product_in_f16_is_near_that_in_f32() {
    let gpu = own_gpu();
    let Ok(half) = gpu.with_precision(Precision::F16) else {
        skipped("the device has no f16");
        return;
    };
    const SIDE: usize = 768;
    let mut rng = rng(768);
    let (a, b) = (random(&mut rng, &[SIDE; 2]), random(&mut rng, &[SIDE; 2]));
    let product = |gpu: &Gpu| -> Vec<f32> {
        let tape = Tape::new();
        let constant = |array: &Array| tape.constant(&array.shape, &array.f32()).unwrap();
        tape.output("y", &constant(&a).matmul(&constant(&b)).unwrap());
        let program = tape.compile(gpu).unwrap();
        program.run().unwrap();
        program.read_blocking("y").unwrap()
    };
    let (exact, rounded) = (product(&gpu), product(&half));
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let differences = exact
        .iter()
        .zip(&rounded)
        .map(|(&a, &b)| a as f64 - b as f64);
    let error = norm(&mut differences.into_iter()) / norm(&mut exact.iter().map(|&v| v as f64));
    println!("relative error of a product of {SIDE} in f16: {error:.2e}");
    assert!((1e-6..1e-3).contains(&error), "{error:.2e}");
}

/// Rows for which the tiles that software devices prefer need more workgroups than there
/// are along one dimension: a larger tile does them.
#[test]
fn more_rows_than_small_tiles_have_workgroups_for() {
    const ROWS: usize = 2_100_000;
    let a: Vec<f32> = (0..ROWS).map(|i| (i % 1021) as f32).collect();
    let tape = Tape::new();
    let column = tape.constant(&[ROWS, 1], &a).unwrap();
    let two = tape.full(&[1, 1], 2.0);
    let got = computed(&tape, &column.matmul(&two).unwrap());
    assert!(got.iter().zip(&a).all(|(got, a)| *got == 2.0 * a));
}
