use crate::common::skip::skipped;
use crate::common::*;
use foveate::gpu::shader::SHADERS;
use foveate::gpu::{Choices, Gpu, Precision};
use foveate::ops::Conv2dOptions;
use foveate::tape::{Gradient, Tape, Tensor};

pub fn reference(x: &Array, w: &Array, bias: Option<&Array>, o: Conv2dOptions) -> Array {
    let [b, c, h, wd] = x.shape[..] else { panic!() };
    let [m, _, kh, kw] = w.shape[..] else {
        panic!()
    };
    let out = |size: usize, k: usize| (size * o.upsample + 2 * o.pad - k) / o.stride + 1;
    let (oh, ow) = (out(h, kh), out(wd, kw));
    let mut y = Array::zeros(&[b, m, oh, ow]);
    let mut at = 0;
    for image in 0..b {
        for channel in 0..m {
            for i in 0..oh {
                for j in 0..ow {
                    let mut sum = 0.0;
                    for k in 0..c {
                        for dy in 0..kh {
                            for dx in 0..kw {
                                let y = (i * o.stride + dy) as isize - o.pad as isize;
                                let x_ = (j * o.stride + dx) as isize - o.pad as isize;
                                let (lh, lw) =
                                    ((h * o.upsample) as isize, (wd * o.upsample) as isize);
                                if y >= 0 && x_ >= 0 && y < lh && x_ < lw {
                                    let (y, x_) =
                                        (y as usize / o.upsample, x_ as usize / o.upsample);
                                    sum += x.data[((image * c + k) * h + y) * wd + x_]
                                        * w.data[((channel * c + k) * kh + dy) * kw + dx];
                                }
                            }
                        }
                    }
                    y.data[at] = o.scale as f64 * sum + bias.map_or(0.0, |b| b.data[channel]);
                    at += 1;
                }
            }
        }
    }
    y
}

fn options(stride: usize, pad: usize, upsample: usize) -> Conv2dOptions {
    Conv2dOptions {
        stride,
        pad,
        upsample,
        scale: 0.5,
    }
}

#[test]
fn strides_paddings_kernels_and_odd_sizes() {
    for (seed, (x, w, o)) in [
        ([1, 1, 3, 3], [1, 1, 3, 3], options(1, 0, 1)),
        ([2, 3, 9, 11], [5, 3, 3, 3], options(2, 0, 1)),
        ([3, 9, 13, 12], [17, 9, 3, 3], options(1, 0, 1)),
        ([2, 4, 7, 6], [9, 4, 3, 3], options(1, 1, 1)),
        ([2, 4, 5, 6], [10, 4, 3, 3], options(1, 1, 2)),
        ([1, 3, 17, 16], [4, 3, 8, 8], options(4, 0, 1)),
        ([2, 5, 8, 9], [7, 5, 4, 4], options(2, 1, 1)),
        ([2, 6, 5, 7], [11, 6, 1, 1], options(1, 0, 1)),
        ([1, 2, 41, 41], [8, 2, 3, 3], options(1, 0, 1)),
        ([2, 9, 12, 13], [33, 9, 3, 3], options(2, 1, 1)),
        ([2, 17, 10, 8], [19, 17, 3, 3], options(2, 0, 1)),
        ([2, 20, 6, 5], [40, 20, 3, 3], options(1, 2, 1)),
        ([1, 34, 7, 9], [18, 34, 3, 3], options(1, 1, 2)),
        ([2, 3, 4, 3], [3, 3, 3, 3], options(1, 1, 4)),
        ([1, 2, 5, 5], [2, 2, 3, 3], options(1, 3, 1)),
        ([1, 2, 9, 9], [2, 2, 3, 3], options(3, 1, 1)),
    ]
    .into_iter()
    .enumerate()
    {
        let mut rng = rng(seed as u64);
        let inputs = vec![
            random(&mut rng, &x),
            random(&mut rng, &w),
            random(&mut rng, &w[..1]),
        ];
        Check::new(&format!("conv2d {x:?} {w:?} {o:?}"), inputs)
            .tolerances(5e-6, 3e-5)
            .run(
                |_, v| v[0].conv2d(&v[1], Some(&v[2]), o),
                |a| reference(&a[0], &a[1], Some(&a[2]), o),
            );
    }
}

/// Which tile of `conv2d/window` and `conv2d/weight_gradient_window` runs depends on
/// shapes: each that there is runs here, on shapes that fill none of its tiles.
#[test]
fn every_tile_of_the_window_kernels() {
    if gpu().capabilities().subgroup_size != Some(8) {
        return;
    }
    for shader in SHADERS {
        let Some((file, tile)) = shader.key.split_once("window.") else {
            continue;
        };
        let weight_gradient = file == "conv2d/weight_gradient_";
        let kind = tile.split_once('_').unwrap().0;
        let channels = shader.constant("CHANNELS").unwrap() as usize;
        let run = shader.constant("RUN").unwrap() as usize;
        // The layers that a kind is for: forward, or by their input gradient.
        let layers = match kind {
            "valid" => vec![options(1, 0, 1)],
            "padded" if weight_gradient => vec![options(1, 1, 1), options(1, 1, 2)],
            "padded" => vec![options(1, 1, 1), options(1, 2, 2), options(1, 0, 1)],
            "strided" => vec![options(2, 0, 1)],
            "transposed" => vec![options(2, 0, 1), options(2, 1, 1)],
            "pooled" => vec![options(1, 1, 2), options(1, 0, 2)],
            _ => panic!("which layers does {kind} do?"),
        };
        for (seed, o) in layers.into_iter().enumerate() {
            let by_gradient = match kind {
                "transposed" | "pooled" => true,
                "padded" => !weight_gradient && o.pad == 0,
                _ => false,
            };
            // One channel and one row more than fit into a tile and a run, nine
            // channels on the other side.
            let (c, m) = if by_gradient {
                (channels + 1, 9)
            } else {
                (9, channels + 1)
            };
            let rows = (run + 1) * if kind == "transposed" { 2 } else { 1 };
            let height = match by_gradient {
                true => rows.div_ceil(o.upsample),
                false => (rows * o.stride + 2 - 2 * o.pad).div_ceil(o.upsample),
            };
            let x = [2, c, height.max(3), 7];
            let out = |size: usize| (size * o.upsample + 2 * o.pad - 3) / o.stride + 1;
            let y = [2, m, out(x[2]), out(x[3])];
            let list = |shape: &[usize]| {
                let sizes: Vec<_> = shape.iter().map(usize::to_string).collect();
                sizes.join("x")
            };
            let class = match (weight_gradient, by_gradient) {
                (true, _) => {
                    format!(
                        "conv2d_weight_gradient {kind} {} {}",
                        list(&x),
                        list(&y[1..])
                    )
                }
                (_, false) => format!("conv2d {kind} {} {}", list(&x), list(&y[1..])),
                (_, true) => format!("conv2d {kind} {} {}", list(&y), list(&x[1..])),
            };
            let mut choices = Choices::default();
            choices.insert(class, shader.key);
            gpu().set_choices(choices);

            let mut rng = rng(seed as u64);
            let inputs = vec![
                random(&mut rng, &x),
                random(&mut rng, &[m, c, 3, 3]),
                random(&mut rng, &[m]),
            ];
            let tape = Tape::new();
            let vars: Vec<_> = (inputs.iter())
                .map(|a| tape.constant(&a.shape, &a.f32()).unwrap())
                .collect();
            let loss = vars[0].conv2d(&vars[1], Some(&vars[2]), o).unwrap();
            let loss = loss.sum(0..4).unwrap().reshape(&[]).unwrap();
            let gradients = tape.gradients(&loss, &vars, Gradient::True).unwrap();
            for (i, gradient) in gradients.iter().enumerate() {
                tape.output(&format!("{i}"), gradient.as_ref().unwrap());
            }
            tape.output("loss", &loss);
            let program = tape.compile(&gpu()).unwrap();
            let mut keys = program.dispatches().map(|d| d.1);
            assert!(
                keys.any(|key| key == shader.key),
                "{} not run for {o:?}",
                shader.key
            );
            Check::new(&format!("{} {x:?} -> {m} {o:?}", shader.key), inputs)
                .tolerances(5e-6, 3e-5)
                .run(
                    |_, v| v[0].conv2d(&v[1], Some(&v[2]), o),
                    |a| reference(&a[0], &a[1], Some(&a[2]), o),
                );
        }
    }
    gpu().set_choices(Choices::default());
}

/// Two layers with a ReLU between: the ReLU and its gradient run inside the
/// convolutions, for the true and the guided rule.
#[test]
fn relu_and_its_gradient_are_fused() {
    let mut rng = rng(5);
    let (x, u, v) = (
        random(&mut rng, &[2, 3, 9, 9]),
        random(&mut rng, &[8, 3, 3, 3]),
        random(&mut rng, &[4, 8, 3, 3]),
    );
    for rule in [Gradient::True, Gradient::Guided] {
        let tape = Tape::new();
        let input = tape.input("x", Tensor::f32(&x.shape));
        let (wu, wv) = (
            tape.constant(&u.shape, &u.f32()).unwrap(),
            tape.constant(&v.shape, &v.f32()).unwrap(),
        );
        let hidden = input
            .conv2d(&wu, None, Default::default())
            .unwrap()
            .relu()
            .unwrap();
        let y = hidden.conv2d(&wv, None, Default::default()).unwrap();
        let seed = random(&mut crate::common::rng(7), &y.shape());
        let seed_var = tape.constant(&y.shape(), &seed.f32()).unwrap();
        let g = tape
            .gradients_seeded(&[(y, seed_var)], &[input], rule)
            .unwrap()
            .remove(0)
            .unwrap();
        tape.output("g", &g);
        let program = tape.compile(&gpu()).unwrap();
        let names: Vec<_> = program.dispatches().map(|d| d.0).collect();
        assert_eq!(
            names,
            ["conv2d", "conv2d_input_gradient", "conv2d_input_gradient"]
        );
        program.poison().unwrap();
        program.write("x", &x.f32()).unwrap();
        program.run().unwrap();
        let got: Vec<f32> = program.read_blocking("g").unwrap();

        // By hand: back through v, the gate, back through u.
        let pre = reference(&x, &u, None, Default::default());
        let back = |g: &Array, w: &Array, shape: &[usize]| {
            let mut dx = Array::zeros(shape);
            let [b, m, oh, ow] = g.shape[..] else {
                panic!()
            };
            for n in 0..b {
                for c in 0..m {
                    for i in 0..oh {
                        for j in 0..ow {
                            for k in 0..shape[1] {
                                for d in 0..9 {
                                    let at = ((n * shape[1] + k) * shape[2] + i + d / 3) * shape[3]
                                        + j
                                        + d % 3;
                                    dx.data[at] +=
                                        g.at(&[n, c, i, j]) * w.at(&[c, k, d / 3, d % 3]);
                                }
                            }
                        }
                    }
                }
            }
            dx
        };
        let mut hidden = back(&seed, &v, &pre.shape);
        for (r, p) in hidden.data.iter_mut().zip(&pre.data) {
            let clamped = if rule == Gradient::Guided {
                r.max(0.0)
            } else {
                *r
            };
            *r = if *p > 0.0 { clamped } else { 0.0 };
        }
        assert_close("gradient", &got, &back(&hidden, &u, &x.shape).data, 1e-5);
    }
}

#[test]
fn kernels_larger_than_the_image_are_refused() {
    let tape = Tape::new();
    let (x, w) = (tape.full(&[1, 1, 2, 2], 0.0), tape.full(&[1, 1, 3, 3], 0.0));
    let message = x
        .conv2d(&w, None, Default::default())
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("conv2d") && message.contains("[1, 1, 2, 2]"),
        "{message}"
    );
}

/// Choices that make a layer run on tiles of these sizes in workgroup memory, whichever
/// other kernels the device would have for it.
fn tiled(
    x: [usize; 4],
    w: [usize; 4],
    o: Conv2dOptions,
    [gemm, weights]: [&str; 2],
    precision: &str,
) -> Choices {
    let out = |size: usize, kernel: usize| (size * o.upsample + 2 * o.pad - kernel) / o.stride + 1;
    let y = [x[0], w[0], out(x[2], w[2]), out(x[3], w[3])];
    let join = |shape: &[usize]| {
        shape
            .iter()
            .map(usize::to_string)
            .collect::<Vec<_>>()
            .join("x")
    };
    let shapes = |a: &[usize], b: &[usize]| format!("{} {}", join(a), join(&b[1..]));
    let (forward, backward) = (shapes(&x, &y), shapes(&y, &x));
    let valid = if o.pad == 0 && o.upsample == 1 {
        "valid"
    } else {
        "padded"
    };
    let gradient = if o.stride == 1 {
        "input_gradient"
    } else {
        "input_gradient_strided"
    };
    let suffix = if precision.is_empty() { "" } else { "_f16" };
    let layer = format!("{}x{} /{} +{} *{}", w[2], w[3], o.stride, o.pad, o.upsample);

    let mut choices = Choices::default();
    for (kind, shapes) in [(valid, &forward), (gradient, &backward)] {
        let key = format!("conv2d/gemm.{kind}_tiled_{gemm}{suffix}");
        choices.insert(
            format!("conv2d gemm {kind} {layer} {shapes}{precision}"),
            &key,
        );
        for window in ["valid", "padded", "strided", "pooled", "transposed"] {
            choices.insert(format!("conv2d {window} {shapes}"), &key);
        }
    }
    let key = format!("conv2d/weight_gradient.{valid}_tiled_{weights}{suffix}");
    for kind in ["valid", "padded", "pointwise"] {
        let class = format!("conv2d_weight_gradient {kind} {layer} {forward}{precision}");
        choices.insert(class, &key);
    }
    for window in ["valid", "padded", "strided"] {
        choices.insert(format!("conv2d_weight_gradient {window} {forward}"), &key);
    }
    choices
}

/// Sizes of tiles: of `conv2d/gemm`, and of `conv2d/weight_gradient`.
const TILES: [[&str; 2]; 3] = [["32x64", "32x32"], ["32x128", "32x64"], ["64x128", "64x64"]];

/// Layers for tiles: smaller and larger than one, all ways to move over the input, and
/// sums in pieces.
fn every_tile(gpu: &Gpu, precision: &str, tolerances: [f64; 2]) {
    let mut used = std::collections::BTreeSet::new();
    // Mesa's OpenGL compiles kernels with barriers for so long that it gets one size only.
    let sizes = match gpu.info().backend == wgpu::Backend::Gl {
        true => &TILES[..1],
        false => &TILES[..],
    };
    for (seed, (x, w, o)) in [
        ([1, 1, 3, 3], [1, 1, 3, 3], options(1, 0, 1)),
        ([3, 9, 13, 12], [17, 9, 3, 3], options(1, 0, 1)),
        ([2, 4, 7, 6], [65, 4, 3, 3], options(1, 1, 1)),
        ([2, 5, 5, 6], [10, 5, 3, 3], options(1, 1, 2)),
        ([1, 3, 17, 16], [4, 3, 8, 8], options(4, 0, 1)),
        ([2, 9, 12, 13], [33, 9, 3, 3], options(2, 1, 1)),
        ([2, 6, 5, 7], [11, 6, 1, 1], options(1, 0, 1)),
        ([1, 2, 41, 41], [8, 2, 3, 3], options(1, 0, 1)),
        ([1, 2, 9, 9], [2, 2, 3, 3], options(3, 1, 1)),
        ([1, 3, 5, 4], [3, 3, 4, 2], options(2, 2, 2)),
    ]
    .into_iter()
    .enumerate()
    {
        for &tiles in sizes {
            let mut rng = rng(seed as u64);
            let inputs = vec![
                random(&mut rng, &x),
                random(&mut rng, &w),
                random(&mut rng, &w[..1]),
            ];
            gpu.set_choices(tiled(x, w, o, tiles, precision));
            let keys = Check::new(&format!("conv2d {tiles:?} {x:?} {w:?} {o:?}"), inputs)
                .tolerances(tolerances[0], tolerances[1])
                .on(gpu)
                .run(
                    |_, v| v[0].conv2d(&v[1], Some(&v[2]), o),
                    |a| reference(&a[0], &a[1], Some(&a[2]), o),
                );
            let products = keys.iter().filter(|k| k.contains("_tiled_")).count();
            assert_eq!(products, 3, "{x:?} {w:?} {o:?}: {keys:?} ran");
            used.extend(keys);
        }
    }
    let all = SHADERS.iter().filter(|s| s.f16 != precision.is_empty());
    let unused: Vec<_> = all
        .map(|s| s.key)
        .filter(|key| key.starts_with("conv2d/") && key.contains("_tiled_"))
        .filter(|key| {
            let of = usize::from(key.starts_with("conv2d/weight_gradient"));
            sizes.iter().any(|size| key.contains(size[of]))
        })
        .filter(|key| !used.contains(key))
        .collect();
    assert!(unused.is_empty(), "not run: {unused:?}");
}

#[test]
fn every_tile_in_workgroup_memory() {
    every_tile(&own_gpu(), "", [5e-6, 3e-5]);
}

/// Both operands of every term are rounded to 11 significant bits; relative to the
/// largest result that is some parts in a thousand at most.
#[test]
fn every_tile_in_f16() {
    match own_gpu().with_precision(Precision::F16) {
        Ok(gpu) => every_tile(&gpu, " f16", [2e-3, 2e-3]),
        Err(_) => skipped("the device has no f16"),
    }
}

/// Channels for which the kernels that software devices prefer need more workgroups than
/// there are along one dimension: larger tiles do them.
#[test]
fn more_channels_than_small_tiles_have_workgroups_for() {
    let device = gpu();
    let by_registers = device.capabilities().subgroup_size == Some(8);
    if device.capabilities().software && !by_registers {
        skipped("so many workgroups with barriers take minutes on this device");
        return;
    }
    let pointwise = Conv2dOptions::default();
    let ramp = |n: usize| -> Vec<f32> { (0..n).map(|i| (i % 1021) as f32).collect() };

    let many = 1_050_000;
    let tape = Tape::new();
    let x = tape.full(&[1, 1, 1, 1], 2.0);
    let w = tape.constant(&[many, 1, 1, 1], &ramp(many)).unwrap();
    let y = x.conv2d(&w, None, pointwise).unwrap();
    let got = computed(&tape, &y);
    assert!(got.iter().zip(ramp(many)).all(|(y, w)| *y == 2.0 * w));

    let many = 70_000;
    let tape = Tape::new();
    let x = tape.constant(&[1, many, 1, 1], &ramp(many)).unwrap();
    let w = tape.full(&[1, many, 1, 1], 0.0);
    let y = x.conv2d(&w, None, pointwise).unwrap();
    let sum = y.sum_all().unwrap();
    let gradients = tape.gradients(&sum, &[w], Gradient::True).unwrap();
    let got = computed(&tape, gradients[0].as_ref().unwrap());
    assert!(got.iter().zip(ramp(many)).all(|(dw, x)| *dw == x));

    // And the gradient of a bias, one workgroup for each of so many channels.
    let tape = Tape::new();
    let x = tape.full(&[1, 1, 1, 1], 2.0);
    let w = tape.full(&[many, 1, 1, 1], 1.0);
    let bias = tape.full(&[many], 0.0);
    let y = x.conv2d(&w, Some(&bias), pointwise).unwrap();
    let seed = tape.constant(&[1, many, 1, 1], &ramp(many)).unwrap();
    let gradients = (tape.gradients_seeded(&[(y, seed)], &[w, bias], Gradient::True)).unwrap();
    let got = computed(&tape, gradients[1].as_ref().unwrap());
    assert!(got.iter().zip(ramp(many)).all(|(db, g)| *db == g));
}
