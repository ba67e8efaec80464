use crate::common::golden::Golden;
use crate::common::skip::skipped;
use crate::common::*;
use foveate::gpu::shader::SHADERS;
use foveate::gpu::{Choices, Gpu, Precision};
use foveate::ops::AttentionOptions;
use foveate::tape::{Gradient, Program, Tape, Tensor, Var};

fn options(heads: usize) -> AttentionOptions {
    AttentionOptions::heads(heads)
}

/// softmax(scale q kᵀ) v in each head.
fn reference(q: &Array, k: &Array, v: &Array, o: AttentionOptions) -> Array {
    let [batch, queries, width] = q.shape[..] else {
        panic!()
    };
    let keys = k.shape[1];
    let head = width / o.heads;
    let scale = o.scale.map_or(1.0 / (head as f64).sqrt(), f64::from);
    let mut y = Array::zeros(&q.shape);
    for b in 0..batch {
        for first in (0..width).step_by(head) {
            for i in 0..queries {
                let q_at = (b * queries + i) * width + first;
                let mut p: Vec<f64> = (0..keys)
                    .map(|j| {
                        let k_at = (b * keys + j) * width + first;
                        let product = |c| q.data[q_at + c] * k.data[k_at + c];
                        scale * (0..head).map(product).sum::<f64>()
                    })
                    .collect();
                let top = p.iter().copied().fold(f64::MIN, f64::max);
                p.iter_mut().for_each(|s| *s = (*s - top).exp());
                let sum: f64 = p.iter().sum();
                for (j, p) in p.iter().enumerate() {
                    let v_at = (b * keys + j) * width + first;
                    for c in 0..head {
                        y.data[q_at + c] += p / sum * v.data[v_at + c];
                    }
                }
            }
        }
    }
    y
}

/// Part `i` of `n` that lie side by side inside the last axis.
fn part(x: &Array, i: usize, n: usize) -> Array {
    let row = x.shape[2];
    let width = row / n;
    let rows = x.data.chunks_exact(row);
    let data = rows.flat_map(|r| &r[i * width..(i + 1) * width]).copied();
    Array::new(&[x.shape[0], x.shape[1], width], data.collect())
}

/// (batch, queries, keys, heads, elements of a head): one, odd, and more than a tile.
const SIZES: [[usize; 5]; 9] = [
    [1, 1, 1, 1, 4],
    [2, 1, 7, 3, 16],
    [1, 7, 1, 2, 12],
    [2, 7, 7, 3, 32],
    [1, 33, 20, 2, 16],
    [1, 9, 33, 1, 128],
    [2, 33, 33, 1, 64],
    [1, 26, 65, 2, 48],
    [1, 129, 34, 1, 20],
];

#[test]
fn queries_keys_and_values_apart() {
    for (seed, [b, n, m, h, d]) in SIZES.into_iter().enumerate() {
        let mut rng = rng(seed as u64);
        let mut of = |rows| random(&mut rng, &[b, rows, h * d]).map(|v| 2.0 * v);
        let inputs = vec![of(n), of(m), of(m)];
        Check::new(&format!("attention {n} to {m}, {h} × {d}"), inputs)
            .tolerances(5e-6, 3e-5)
            .run(
                |_, x| x[0].attention(&x[1], &x[2], options(h)),
                |a| reference(&a[0], &a[1], &a[2], options(h)),
            );
    }
}

#[test]
fn keys_and_values_in_one_tensor() {
    for (seed, [b, n, m, h, d]) in SIZES.into_iter().enumerate() {
        let mut rng = rng(20 + seed as u64);
        let inputs = vec![
            random(&mut rng, &[b, n, h * d]),
            random(&mut rng, &[b, m, 2 * h * d]),
        ];
        Check::new(&format!("cross attention {n} to {m}, {h} × {d}"), inputs)
            .tolerances(5e-6, 3e-5)
            .run(
                |_, x| x[0].cross_attention(&x[1], options(h)),
                |a| reference(&a[0], &part(&a[1], 0, 2), &part(&a[1], 1, 2), options(h)),
            );
    }
}

#[test]
fn all_in_one_tensor() {
    for (seed, [b, n, _, h, d]) in SIZES.into_iter().enumerate() {
        let mut rng = rng(40 + seed as u64);
        let inputs = vec![random(&mut rng, &[b, n, 3 * h * d])];
        Check::new(&format!("self attention {n}, {h} × {d}"), inputs)
            .tolerances(5e-6, 3e-5)
            .run(
                |_, x| x[0].self_attention(options(h)),
                |a| {
                    let [q, k, v] = [0, 1, 2].map(|i| part(&a[0], i, 3));
                    reference(&q, &k, &v, options(h))
                },
            );
    }
}

#[test]
fn a_scale_of_ones_own() {
    let own = AttentionOptions {
        heads: 2,
        scale: Some(-0.7),
    };
    let inputs = vec![random(&mut rng(60), &[2, 5, 3 * 16])];
    Check::new("attention of scale -0.7", inputs)
        .tolerances(5e-6, 3e-5)
        .run(
            |_, x| x[0].self_attention(own),
            |a| {
                let [q, k, v] = [0, 1, 2].map(|i| part(&a[0], i, 3));
                reference(&q, &k, &v, own)
            },
        );
}

/// Scores far beyond what a power of e can hold: the largest is subtracted first.
#[test]
fn large_scores() {
    let inputs = vec![random(&mut rng(61), &[1, 9, 3 * 8]).map(|v| (64.0 * v).round())];
    Check::new("large scores", inputs.clone())
        .without_gradient(0)
        .tolerances(1e-3, 0.0)
        .run(
            |_, x| x[0].self_attention(options(1)),
            |a| {
                let [q, k, v] = [0, 1, 2].map(|i| part(&a[0], i, 3));
                reference(&q, &k, &v, options(1))
            },
        );
}

/// The program of an attention and all its gradients, outputs `y`, `g0`, `g1`, `g2`.
fn compile(gpu: &Gpu, inputs: &[Array], heads: usize) -> Program {
    let tape = Tape::new();
    let x: Vec<Var> = (inputs.iter())
        .map(|a| tape.constant(&a.shape, &a.f32()).unwrap())
        .collect();
    let y = x[0].attention(&x[1], &x[2], options(heads)).unwrap();
    let seed = random(&mut rng(70), &y.shape());
    let seed = tape.constant(&seed.shape, &seed.f32()).unwrap();
    let gradients = tape
        .gradients_seeded(&[(y.clone(), seed)], &x, Gradient::True)
        .unwrap();
    tape.output("y", &y);
    for (i, g) in gradients.iter().enumerate() {
        tape.output(&format!("g{i}"), g.as_ref().unwrap());
    }
    tape.compile(gpu).unwrap()
}

fn results(program: &Program) -> Vec<Vec<f32>> {
    program.poison().unwrap();
    program.run().unwrap();
    ["y", "g0", "g1", "g2"]
        .map(|name| program.read_blocking(name).unwrap())
        .into()
}

/// Which permutation runs depends on shapes and device: each that this device can run is
/// made to, and computes what the estimate's choice does, which the tests above check.
#[test]
fn every_permutation() {
    let gpu = own_gpu();
    let sharing = gpu.capabilities().subgroup_size == Some(8);
    let files = ["forward", "query_gradient", "key_gradient"];
    for (i, head) in [16, 32, 64, 128].into_iter().enumerate() {
        let (b, n, m, h) = (2, 27, 35, 2);
        let mut rng = rng(80 + i as u64);
        let inputs = [n, m, m].map(|rows| random(&mut rng, &[b, rows, h * head]));
        let of = |file: &str| -> Vec<&'static str> {
            let start = match sharing {
                true => format!("attention/{file}.subgroup_{head}_"),
                false => format!("attention/{file}.plain_{head}"),
            };
            let keys = SHADERS.iter().filter(|s| !s.f16).map(|s| s.key);
            keys.filter(|key| key.starts_with(&start)).collect()
        };
        let expected = reference(&inputs[0], &inputs[1], &inputs[2], options(h));
        let mut first: Option<Vec<Vec<f32>>> = None;
        let most = files.map(|file| of(file).len()).into_iter().max().unwrap();
        assert!(most > 0);
        for turn in 0..most {
            let mut choices = Choices::default();
            let wanted = files.map(|file| of(file)[turn.min(of(file).len() - 1)]);
            for (file, key) in files.iter().zip(wanted) {
                choices.insert(format!("attention/{file} {b}x{h} {n}x{m}x{head}"), key);
            }
            gpu.set_choices(choices);
            let program = compile(&gpu, &inputs, h);
            for key in wanted {
                assert!(
                    program.dispatches().any(|d| d.1 == key),
                    "{key} does not run"
                );
            }
            let got = results(&program);
            assert_close(&format!("{wanted:?}"), &got[0], &expected.data, 5e-6);
            let first = first.get_or_insert_with(|| got.clone());
            for (a, b) in got.iter().zip(first.iter()) {
                let b: Vec<f64> = b.iter().map(|&v| v.into()).collect();
                assert_close(&format!("{wanted:?}"), a, &b, 1e-5);
            }
        }
    }
}

/// What is multiplied is rounded to 11 significant bits, probabilities and sums are not:
/// relative to the largest result that is some parts in a thousand at most.
#[test]
fn every_kernel_in_f16_is_as_good_as_f16_can_be() {
    let gpu = own_gpu();
    let Ok(half) = gpu.with_precision(Precision::F16) else {
        skipped("the device has no f16");
        return;
    };
    for (i, head) in [12, 32, 64, 128].into_iter().enumerate() {
        let mut rng = rng(100 + i as u64);
        let inputs = [27, 35, 35].map(|rows| random(&mut rng, &[2, rows, 2 * head]));
        let program = compile(&half, &inputs, 2);
        let keys = program.dispatches().map(|d| d.1);
        let ran = keys.filter(|k| k.ends_with("_f16")).count();
        assert_eq!(ran, 3, "head of {head}");
        let exact = results(&compile(&gpu, &inputs, 2));
        for (got, exact) in results(&program).iter().zip(&exact) {
            assert_ne!(got, exact, "nothing is rounded");
            let exact: Vec<f64> = exact.iter().map(|&v| v.into()).collect();
            assert_close(&format!("head of {head} in f16"), got, &exact, 3e-3);
        }
    }
}

/// Gradients in f16 do not depend on what all keys and values have in common, which
/// cancels: it must do so after rounding too. Nor are they lost where they are small.
#[test]
fn what_cancels_in_f32_cancels_in_f16() {
    let gpu = own_gpu();
    let Ok(half) = gpu.with_precision(Precision::F16) else {
        skipped("the device has no f16");
        return;
    };
    let mut rng = rng(110);
    let q = random(&mut rng, &[1, 9, 16]);
    // Multiples of 1/64 near 8: f16 holds them exactly.
    let mut near_eight = || random(&mut rng, &[1, 21, 16]).map(|v| 8.0 + (8.0 * v).round() / 64.0);
    let inputs = [
        q.map(|v| (64.0 * v).round() / 64.0),
        near_eight(),
        near_eight(),
    ];
    let [got, exact] = [&half, &gpu].map(|gpu| results(&compile(gpu, &inputs, 1)));
    for ((name, got), exact) in ["y", "dq", "dk", "dv"].iter().zip(&got).zip(&exact) {
        let exact: Vec<f64> = exact.iter().map(|&v| v.into()).collect();
        assert_close(&format!("{name} far from zero in f16"), got, &exact, 1e-2);
    }
}

/// Scores far beyond f16's range are those of clamped operands in every kernel.
#[test]
fn large_keys_stay_finite_in_f16() {
    let Ok(gpu) = own_gpu().with_precision(Precision::F16) else {
        skipped("the device has no f16");
        return;
    };
    let of = |rows: usize, value: f64| Array::new(&[1, rows, 16], vec![value; rows * 16]);
    let mut keys = of(5, 1e5);
    keys.data[..16].fill(-1e5);
    let all = results(&compile(&gpu, &[of(3, 1.0), keys, of(5, 1.0)], 1));
    assert!(all.iter().flatten().all(|v| v.is_finite()), "{all:?}");
}

/// What f16 cannot hold is clamped, not infinite.
#[test]
fn f16_clamps_what_it_cannot_hold() {
    let Ok(gpu) = own_gpu().with_precision(Precision::F16) else {
        skipped("the device has no f16");
        return;
    };
    let inputs = [3, 5, 5].map(|rows| Array::new(&[1, rows, 16], vec![1e6; rows * 16]));
    let [y, gradients @ ..] = &results(&compile(&gpu, &inputs, 1))[..] else {
        panic!()
    };
    assert!(y.iter().all(|v| (v - 65504.0).abs() < 1.0), "{y:?}");
    let finite = |g: &Vec<f32>| g.iter().all(|v| v.is_finite());
    assert!(gradients.iter().all(finite), "{gradients:?}");
}

#[test]
fn the_same_bits_every_time() {
    let inputs = [29, 41, 41].map(|rows| random(&mut rng(90), &[2, rows, 48]));
    let program = compile(&gpu(), &inputs, 3);
    let bits =
        |all: Vec<Vec<f32>>| -> Vec<u32> { all.into_iter().flatten().map(f32::to_bits).collect() };
    assert_eq!(bits(results(&program)), bits(results(&program)));
}

/// Packed operands are read in place, and their gradients written in place.
#[test]
fn nothing_is_copied() {
    let tape = Tape::new();
    let qkv = tape.input("qkv", Tensor::f32(&[2, 5, 96]));
    let y = qkv.self_attention(options(2)).unwrap();
    let loss = y.sum(0..3).unwrap().reshape(&[]).unwrap();
    let gradients = tape.gradients(&loss, &[qkv], Gradient::True).unwrap();
    tape.output("g", gradients[0].as_ref().unwrap());
    let program = tape.compile(&gpu()).unwrap();
    let names: Vec<_> = program.dispatches().map(|d| d.0).collect();
    let of = |name: &str| names.iter().filter(|n| n.starts_with(name)).count();
    assert_eq!(of("attention"), 4, "{names:?}");
    assert_eq!(of("slice") + of("concat"), 0, "{names:?}");
}

/// What no gradient is wanted of costs nothing.
#[test]
fn only_wanted_gradients() {
    for (wrt, kernel) in [(0, "query"), (1, "key")] {
        let tape = Tape::new();
        let q = tape.input("q", Tensor::f32(&[1, 5, 32]));
        let kv = tape.input("kv", Tensor::f32(&[1, 6, 64]));
        let y = q.cross_attention(&kv, options(2)).unwrap();
        let loss = y.sum(0..3).unwrap().reshape(&[]).unwrap();
        let of = [q, kv][wrt].clone();
        let gradients = tape.gradients(&loss, &[of], Gradient::True).unwrap();
        tape.output("g", gradients[0].as_ref().unwrap());
        let program = tape.compile(&gpu()).unwrap();
        let keys: Vec<_> = program.dispatches().map(|d| d.1).collect();
        let ran: Vec<_> = keys.iter().filter(|k| k.contains("_gradient.")).collect();
        assert_eq!(ran.len(), 1, "{keys:?}");
        assert!(ran[0].contains(kernel), "{keys:?}");
    }
}

#[test]
fn what_does_not_fit_is_an_error() {
    let tape = Tape::new();
    let x = |shape: &[usize]| tape.full(shape, 1.0);
    let message = |result: Result<Var, _>| -> String {
        let error: foveate::tape::TapeError = result.unwrap_err();
        error.to_string()
    };
    let apart = x(&[2, 3, 32]).attention(&x(&[2, 4, 32]), &x(&[2, 5, 32]), options(2));
    let apart = message(apart);
    assert!(
        apart.contains("[2, 5, 32]") && apart.contains("v[B, M, W]"),
        "{apart}"
    );
    let packed = message(x(&[2, 3, 32]).self_attention(options(2)));
    assert!(packed.contains("3·W"), "{packed}");
    let batch = message(x(&[2, 3, 32]).cross_attention(&x(&[1, 4, 64]), options(2)));
    assert!(batch.contains("2·W"), "{batch}");
    let empty = message(x(&[2, 0, 96]).self_attention(options(2)));
    assert!(empty.contains("not empty"), "{empty}");
    for (width, heads) in [(32, 0), (32, 3), (32, 16), (60, 6), (264, 2)] {
        let text = message(x(&[1, 2, 3 * width]).self_attention(options(heads)));
        assert!(
            text.contains(&format!("{heads} heads")) && text.contains("4, 8, 12, … 128"),
            "{text}"
        );
    }
    let nan = AttentionOptions {
        heads: 1,
        scale: Some(f32::NAN),
    };
    let text = message(x(&[1, 2, 48]).self_attention(nan));
    assert!(text.contains("finite"), "{text}");
}

/// A block as PyTorch computes it (SPEC.md B; fixture of the released MultiMAE code):
/// y = x + Attn(LN(x)), out = y + MLP(LN(y)), with exact GELU, and all gradients.
#[test]
fn the_block_of_a_vision_transformer() {
    let golden = Golden::open("vit/01_vit_block");
    let tape = Tape::new();
    let of = |name: &str| -> Var {
        let (shape, data) = golden.f32(name);
        tape.constant(&shape, &data).unwrap()
    };
    let names: Vec<String> = (golden.names().into_iter())
        .filter_map(|n| n.strip_prefix("param.").map(str::to_string))
        .collect();
    let parameters: Vec<Var> = names.iter().map(|n| of(&format!("param.{n}"))).collect();
    let p = |name: &str| &parameters[names.iter().position(|n| n == name).unwrap()];
    let linear = |x: &Var, name: &str| {
        let shape = x.shape();
        let width = p(&format!("{name}.bias")).len();
        x.reshape(&[shape[0] * shape[1], shape[2]])
            .and_then(|x| x.linear(p(&format!("{name}.weight")), p(&format!("{name}.bias"))))
            .and_then(|y| y.reshape(&[shape[0], shape[1], width]))
            .unwrap()
    };
    let norm = |x: &Var, name: &str| {
        x.layer_norm(
            p(&format!("{name}.weight")),
            p(&format!("{name}.bias")),
            1e-6,
        )
        .unwrap()
    };
    let x = of("input.x");
    let heads = linear(&norm(&x, "norm1"), "attn.qkv").self_attention(options(2));
    let attended = linear(&heads.unwrap(), "attn.proj");
    let y = x.add(&attended).unwrap();
    let hidden = linear(&norm(&y, "norm2"), "mlp.fc1").gelu().unwrap();
    let out = y.add(&linear(&hidden, "mlp.fc2")).unwrap();
    tape.output("out.attn", &attended);
    tape.output("out.y", &out);
    let mut wrt = vec![x];
    wrt.extend(parameters.iter().cloned());
    let mut outputs = vec![
        "out.attn".to_string(),
        "out.y".into(),
        "grad.input.x".into(),
    ];
    outputs.extend(names.iter().map(|n| format!("grad.{n}")));
    let gradients = tape
        .gradients_seeded(&[(out, of("input.cotangent"))], &wrt, Gradient::True)
        .unwrap();
    for (name, g) in outputs[2..].iter().zip(&gradients) {
        tape.output(name, g.as_ref().unwrap());
    }
    let program = tape.compile(&gpu()).unwrap();
    program.poison().unwrap();
    program.run().unwrap();
    for name in &outputs {
        let got: Vec<f32> = program.read_blocking(name).unwrap();
        assert_close(name, &got, &golden.array(name).data, 2e-5);
    }
}

/// One dimension of workgroups counts the batch, and no kernel needs fewer.
#[test]
fn a_batch_of_more_rows_than_workgroups() {
    let tape = Tape::new();
    let rows = gpu().capabilities().max_groups as usize + 1;
    let x = tape.input("x", Tensor::f32(&[rows, 1, 4]));
    let y = x.attention(&x, &x, options(1)).unwrap();
    tape.output("y", &y);
    let message = tape.compile(&gpu()).unwrap_err().to_string();
    let counts = format!("{rows} workgroups");
    assert!(
        message.contains("attention") && message.contains(&counts) && !message.contains("bytes"),
        "{message}"
    );
}
