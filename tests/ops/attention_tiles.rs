//! Attention by tiles in workgroup memory: in blocks that invocations sum in registers; the
//! permutations for cooperative matrices, on devices that have them, and those that play the
//! matrices in plain loops on any other.

use crate::common::skip::skipped;
use crate::common::*;
use foveate::gpu::shader::{SHADERS, ShaderInfo};
use foveate::gpu::{Choices, Gpu, GpuOptions, Precision};
use foveate::ops::AttentionOptions;
use foveate::tape::{Gradient, Tape, Var};

const FILES: [&str; 3] = ["forward", "query_gradient", "key_gradient"];

/// Results and their names: o, and the gradients of q, k and v.
const RESULTS: [&str; 4] = ["o", "dq", "dk", "dv"];

/// (batch, queries, keys, heads, elements of a head): one, odd, less than a tile and
/// several; heads that fill what is staged of them and heads that do not.
const SIZES: [[usize; 5]; 12] = [
    [1, 1, 1, 1, 4],
    [2, 1, 7, 3, 16],
    [1, 7, 1, 2, 12],
    [2, 33, 65, 2, 4],
    [1, 65, 33, 2, 12],
    [1, 129, 34, 1, 16],
    [1, 33, 129, 2, 20],
    [2, 65, 7, 1, 32],
    [1, 26, 65, 2, 48],
    [1, 65, 129, 1, 64],
    [1, 1, 33, 2, 128],
    [1, 33, 65, 1, 128],
];

/// How operands lie: apart, k beside v, or all in one tensor.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Layout {
    Apart,
    Keys,
    All,
}

/// What lies along the last axis.
fn rows(tensor: &Array) -> impl Iterator<Item = &[f64]> {
    tensor.data.chunks_exact(tensor.shape[2])
}

/// Tensors side by side inside the last axis.
fn beside(parts: &[&Array]) -> Array {
    let mut all: Vec<_> = parts.iter().map(|p| rows(p)).collect();
    let [batch, count, width] = parts[0].shape[..] else {
        panic!()
    };
    let data = (0..batch * count)
        .flat_map(|_| {
            all.iter_mut()
                .flat_map(|p| p.next().unwrap().to_vec())
                .collect::<Vec<_>>()
        })
        .collect();
    Array::new(&[batch, count, parts.len() * width], data)
}

/// o and the gradients of q, k and v for the gradient g of o, in float64.
fn reference([q, k, v, g]: [&Array; 4], heads: usize, scale: f64) -> [Array; 4] {
    let [batch, queries, width] = q.shape[..] else {
        panic!()
    };
    let keys = k.shape[1];
    let head = width / heads;
    let [mut o, mut dq] = [0; 2].map(|_| Array::zeros(&q.shape));
    let [mut dk, mut dv] = [0; 2].map(|_| Array::zeros(&k.shape));
    for (b, h) in (0..batch).flat_map(|b| (0..heads).map(move |h| (b, h))) {
        let at = |rows: usize, row: usize| (b * rows + row) * width + h * head;
        let part = |x: &Array, i: usize| x.data[i..i + head].to_vec();
        let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
        let add = |to: &mut Array, i: usize, factor: f64, x: &[f64]| {
            (to.data[i..].iter_mut().zip(x)).for_each(|(to, x)| *to += factor * x);
        };
        for i in 0..queries {
            let (q_i, g_i) = (part(q, at(queries, i)), part(g, at(queries, i)));
            let mut p: Vec<f64> = (0..keys)
                .map(|j| scale * dot(&q_i, &part(k, at(keys, j))))
                .collect();
            let top = p.iter().copied().fold(f64::MIN, f64::max);
            p.iter_mut().for_each(|s| *s = (*s - top).exp());
            let sum: f64 = p.iter().sum();
            p.iter_mut().for_each(|p| *p /= sum);
            let dp: Vec<f64> = (0..keys)
                .map(|j| dot(&g_i, &part(v, at(keys, j))))
                .collect();
            let term = dot(&p, &dp);
            for j in 0..keys {
                let ds = scale * p[j] * (dp[j] - term);
                add(&mut o, at(queries, i), p[j], &part(v, at(keys, j)));
                add(&mut dq, at(queries, i), ds, &part(k, at(keys, j)));
                add(&mut dk, at(keys, j), ds, &q_i);
                add(&mut dv, at(keys, j), p[j], &g_i);
            }
        }
    }
    [o, dq, dk, dv]
}

/// The permutations of the three kernels, by what their names begin with, for heads of
/// so many elements.
fn permutations(kind: [&str; 3], precision: Precision, head: usize) -> [&'static str; 3] {
    let mut at = 0;
    FILES.map(|file| {
        let start = format!("attention/{file}.{}", kind[at]);
        at += 1;
        let quads = |s: &&ShaderInfo| s.constant("QUADS").unwrap();
        (SHADERS.iter())
            .filter(|s| s.key.starts_with(&start) && s.f16 == (precision == Precision::F16))
            .filter(|s| 4 * quads(s) as usize >= head)
            .min_by_key(quads)
            .unwrap_or_else(|| panic!("no {start} for heads of {head}"))
            .key
    })
}

/// All permutations of a kernel in blocks for the smallest head that holds `head`.
fn blocks(file: &str, head: usize) -> Vec<&'static str> {
    let start = format!("attention/{file}.blocks_");
    let quads = |s: &ShaderInfo| s.constant("QUADS").unwrap() as usize;
    let holds = |s: &&ShaderInfo| s.key.starts_with(&start) && 4 * quads(s) >= head;
    let least = SHADERS.iter().filter(holds).map(quads).min();
    (SHADERS.iter().filter(holds))
        .filter(|s| Some(quads(s)) == least)
        .map(|s| s.key)
        .collect()
}

/// All three kernels by tiles: played matrices, then blocks until each has had its turn.
fn tiled(precision: Precision, head: usize) -> Vec<[&'static str; 3]> {
    let matrices = permutations(kinds("emulated_", precision), precision, head);
    let blocks = FILES.map(|file| blocks(file, head));
    let most = blocks.iter().map(Vec::len).max().unwrap();
    let turn = |turn: usize| blocks.each_ref().map(|t| t[turn % t.len()]);
    std::iter::once(matrices)
        .chain((0..most).map(turn))
        .collect()
}

/// Kernels of `rows` and `tiles` together, in every way but with all of `rows`.
fn mixtures(
    rows: [&'static str; 3],
    tiles: [&'static str; 3],
) -> impl Iterator<Item = [&'static str; 3]> {
    (1..8).map(move |mixture| [0, 1, 2].map(|i| [rows, tiles][(mixture >> i) & 1][i]))
}

/// An attention and what it computes with given permutations.
struct Case {
    sizes: [usize; 5],
    layout: Layout,
    options: AttentionOptions,
    /// q, k, v, and the gradient of o.
    operands: [Array; 4],
}

impl Case {
    fn new(sizes: [usize; 5], layout: Layout) -> Case {
        let [b, n, m, h, d] = sizes;
        let m = if layout == Layout::All { n } else { m };
        let mut rng = rng((n * 1000 + m * 10 + d) as u64);
        Case {
            sizes: [b, n, m, h, d],
            layout,
            options: AttentionOptions::heads(h),
            operands: [n, m, m, n].map(|rows| random(&mut rng, &[b, rows, h * d]).map(|v| 2.0 * v)),
        }
    }

    fn expected(&self) -> [Array; 4] {
        let [_, _, _, heads, head] = self.sizes;
        let scale = (self.options.scale).map_or(1.0 / (head as f64).sqrt(), f64::from);
        reference(self.operands.each_ref(), heads, scale)
    }

    /// o, dq, dk, dv as these permutations compute them.
    fn run(&self, gpu: &Gpu, keys: [&'static str; 3]) -> Vec<Vec<f32>> {
        let [b, n, m, h, d] = self.sizes;
        let suffix = match gpu.precision() {
            Precision::F32 => "",
            Precision::F16 => " f16",
        };
        let mut choices = Choices::default();
        for (file, key) in FILES.iter().zip(keys) {
            choices.insert(format!("attention/{file} {b}x{h} {n}x{m}x{d}{suffix}"), key);
        }
        gpu.set_choices(choices);
        let tape = Tape::new();
        let constant = |a: &Array| tape.constant(&a.shape, &a.f32()).unwrap();
        let [q, k, v, g] = self.operands.each_ref();
        let (inputs, o): (Vec<Var>, Var) = match self.layout {
            Layout::Apart => {
                let x = [q, k, v].map(constant);
                let o = x[0].attention(&x[1], &x[2], self.options);
                (x.into(), o.unwrap())
            }
            Layout::Keys => {
                let x = [constant(q), constant(&beside(&[k, v]))];
                let o = x[0].cross_attention(&x[1], self.options);
                (x.into(), o.unwrap())
            }
            Layout::All => {
                let x = constant(&beside(&[q, k, v]));
                let o = x.self_attention(self.options);
                (vec![x], o.unwrap())
            }
        };
        let gradients = tape
            .gradients_seeded(&[(o.clone(), constant(g))], &inputs, Gradient::True)
            .unwrap();
        tape.output("o", &o);
        // Apart again, for comparison.
        let width = h * d;
        let mut names = RESULTS[1..].iter();
        for gradient in gradients.iter().flatten() {
            for first in (0..gradient.shape()[2]).step_by(width) {
                let part = gradient.slice(2, first..first + width).unwrap();
                tape.output(names.next().unwrap(), &part);
            }
        }
        assert!(names.next().is_none());
        let program = tape.compile(gpu).unwrap();
        let ran: Vec<_> = program.dispatches().map(|d| d.1).collect();
        for key in keys {
            assert!(ran.contains(&key), "{key} did not run: {ran:?}");
        }
        program.poison().unwrap();
        program.run().unwrap();
        RESULTS
            .map(|name| program.read_blocking(name).unwrap())
            .into()
    }

    fn check(&self, gpu: &Gpu, keys: [&'static str; 3], tolerances: [f64; 2]) {
        let got = self.run(gpu, keys);
        for (i, (got, expected)) in got.iter().zip(self.expected()).enumerate() {
            let what = format!(
                "{} of {:?} {:?} {keys:?}",
                RESULTS[i], self.sizes, self.layout
            );
            let tolerance = tolerances[(i > 0) as usize];
            // One key has all of a softmax whatever its score: what is left of the gradients
            // is how far terms of this size do not cancel.
            let [_, _, keys, _, head] = self.sizes;
            if keys == 1 && (i == 1 || i == 2) {
                let bound = tolerance * 8.0 * head as f64;
                let within = got.iter().all(|&v| f64::from(v.abs()) <= bound);
                assert!(within, "{what}: {got:?} beyond {bound:.1e}");
            } else {
                assert_close(&what, got, &expected.data, tolerance);
            }
        }
    }
}

const EXACT: [f64; 2] = [5e-6, 1e-5];
/// Operands and what is made of scores are rounded to 11 significant bits: parts in a
/// thousand of the largest result.
const ROUNDED: [f64; 2] = [2e-3, 4e-3];

/// None on OpenGL: Mesa's compiler needs minutes for kernels with so many barriers.
fn full() -> Option<Gpu> {
    let gpu = own_gpu();
    if gpu.info().backend == wgpu::Backend::Gl {
        skipped("OpenGL compiles these kernels for minutes");
        return None;
    }
    Some(gpu)
}

fn half() -> Option<Gpu> {
    let half = full()?.with_precision(Precision::F16).ok();
    if half.is_none() {
        skipped("the device has no f16");
    }
    half
}

/// In f16 only the forward kernel multiplies by matrices: gradients stay f32.
fn kinds(kind: &str, precision: Precision) -> [&str; 3] {
    match precision {
        Precision::F32 => [kind; 3],
        Precision::F16 => [kind, "plain_", "plain_"],
    }
}

fn every_size_and_layout(gpu: &Gpu, kind: &str, tolerances: [f64; 2]) {
    for sizes in SIZES {
        for layout in [Layout::Apart, Layout::Keys, Layout::All] {
            let keys = permutations(kinds(kind, gpu.precision()), gpu.precision(), sizes[4]);
            Case::new(sizes, layout).check(gpu, keys, tolerances);
        }
    }
}

#[test]
fn every_tile_at_every_size() {
    let Some(gpu) = full() else { return };
    every_size_and_layout(&gpu, "emulated_", EXACT);
}

#[test]
fn every_tile_in_f16_at_every_size() {
    let Some(gpu) = half() else { return };
    every_size_and_layout(&gpu, "emulated_", ROUNDED);
}

/// In blocks: each permutation for the head takes its turn.
#[test]
fn every_block_at_every_size() {
    let Some(gpu) = full() else { return };
    for sizes in SIZES {
        for layout in [Layout::Apart, Layout::Keys, Layout::All] {
            let case = Case::new(sizes, layout);
            for &keys in &tiled(Precision::F32, sizes[4])[1..] {
                case.check(&gpu, keys, EXACT);
            }
        }
    }
}

/// By cooperative matrices, on a device that has them.
#[test]
fn every_tile_by_cooperative_matrices() {
    let options = GpuOptions {
        experimental: true,
        ..Default::default()
    };
    let gpu = Gpu::new_blocking(options).unwrap();
    let of = gpu.capabilities().cooperative;
    if !(of.f32_8 || of.f16_16) {
        skipped("the device has no cooperative matrices");
    }
    for (there, precision, tolerances) in [
        (of.f32_8, Precision::F32, EXACT),
        (of.f16_16, Precision::F16, ROUNDED),
    ] {
        match there {
            true => {
                let gpu = gpu.with_precision(precision).unwrap();
                every_size_and_layout(&gpu, "cooperative_", tolerances);
            }
            false => continue,
        }
    }
}

/// The kernels for any device, in registers.
fn other_kind(gpu: &Gpu) -> &'static str {
    match (gpu.precision(), gpu.capabilities().subgroup_size) {
        (Precision::F32, Some(8)) => "subgroup_",
        _ => "plain_",
    }
}

/// Statistics and results are what other kernels take them for: any of one kind goes with
/// any of another.
#[test]
fn kinds_of_kernels_fit_together() {
    let gpus = full().into_iter().chain(half());
    for gpu in gpus {
        let (tolerances, other) = match gpu.precision() {
            Precision::F32 => (EXACT, other_kind(&gpu)),
            Precision::F16 => (ROUNDED, other_kind(&gpu)),
        };
        for head in [16, 20, 64, 128] {
            let case = Case::new([1, 37, 51, 2, head], Layout::Apart);
            let rows = permutations([other; 3], gpu.precision(), head);
            for tiles in tiled(gpu.precision(), head) {
                for keys in mixtures(rows, tiles) {
                    case.check(&gpu, keys, tolerances);
                }
            }
        }
    }
}

/// Scores are rounded alike by all kernels: statistics of one stand for another's. Where
/// they are large, anything else is far off.
#[test]
fn blocks_round_as_whole_rows_do() {
    let Some(gpu) = full() else { return };
    for head in [20, 64] {
        let mut case = Case::new([1, 37, 51, 2, head], Layout::Apart);
        for operand in &mut case.operands[..2] {
            *operand = operand.map(|v| 4.0 * v);
        }
        let rows = permutations([other_kind(&gpu); 3], Precision::F32, head);
        let expected = case.run(&gpu, rows);
        for &blocks in &tiled(Precision::F32, head)[1..] {
            for keys in mixtures(rows, blocks) {
                let got = case.run(&gpu, keys);
                for (i, (got, expected)) in got.iter().zip(&expected).enumerate() {
                    let expected: Vec<f64> = expected.iter().map(|&v| v.into()).collect();
                    assert_close(&format!("{} by {keys:?}", RESULTS[i]), got, &expected, 1e-4);
                }
            }
        }
    }
}

/// Scores far beyond what a power of e can hold, which grow and fall from block to block.
#[test]
fn large_scores() {
    let Some(gpu) = full() else { return };
    for head in [8, 64] {
        let mut case = Case::new([1, 35, 70, 1, head], Layout::Apart);
        for operand in &mut case.operands[..2] {
            *operand = operand.map(|v| (32.0 * v).round());
        }
        for keys in tiled(Precision::F32, head) {
            // Of scores of thousands f32 keeps parts in ten thousand.
            case.check(&gpu, keys, [2e-3, 2e-2]);
        }
    }
}

#[test]
fn a_scale_of_ones_own() {
    let Some(gpu) = full() else { return };
    let mut case = Case::new([2, 19, 40, 2, 24], Layout::Keys);
    case.options.scale = Some(-0.7);
    for keys in tiled(Precision::F32, 24) {
        case.check(&gpu, keys, EXACT);
    }
}

/// What all values have in common cancels in gradients, though shares are rounded.
#[test]
fn what_cancels_in_f32_cancels_in_f16() {
    let Some(gpu) = half() else { return };
    let mut case = Case::new([1, 9, 21, 1, 16], Layout::Apart);
    // Multiples of 1/64: f16 holds them exactly.
    let sixty_fourths = |v: f64| (32.0 * v).round() / 64.0;
    case.operands[0] = case.operands[0].map(sixty_fourths);
    for operand in &mut case.operands[1..3] {
        *operand = operand.map(|v| 8.0 + sixty_fourths(8.0 * v));
    }
    for keys in tiled(Precision::F16, 16) {
        case.check(&gpu, keys, [1e-2; 2]);
    }
}

/// What f16 cannot hold is clamped, not infinite.
#[test]
fn f16_clamps_what_it_cannot_hold() {
    let Some(gpu) = half() else { return };
    let mut case = Case::new([1, 3, 5, 1, 16], Layout::Apart);
    case.operands = case.operands.map(|a| a.map(|_| 1e6));
    let keys = permutations(kinds("emulated_", Precision::F16), Precision::F16, 16);
    let got = case.run(&gpu, keys);
    assert!(
        got[0].iter().all(|v| (v - 65504.0).abs() < 1.0),
        "{:?}",
        got[0]
    );
    assert!(got.iter().flatten().all(|v| v.is_finite()), "{got:?}");
}

#[test]
fn the_same_bits_every_time() {
    let Some(gpu) = full() else { return };
    let case = Case::new([2, 29, 41, 2, 48], Layout::Keys);
    for keys in tiled(Precision::F32, 48) {
        let bits = || -> Vec<u32> {
            let got = case.run(&gpu, keys);
            got.into_iter().flatten().map(f32::to_bits).collect()
        };
        assert_eq!(bits(), bits());
    }
}

/// Whatever multiplies the blocks, each permutation for cooperative matrices has a twin
/// with the same tile that the tests above run.
#[test]
fn every_cooperative_permutation_has_an_emulated_twin() {
    let of = |kind: &str| -> Vec<&ShaderInfo> {
        let start = |s: &&ShaderInfo| {
            FILES
                .iter()
                .any(|f| s.key.starts_with(&format!("attention/{f}.{kind}_")))
        };
        SHADERS.iter().filter(start).collect()
    };
    let (cooperative, emulated) = (of("cooperative"), of("emulated"));
    assert_eq!(cooperative.len(), emulated.len());
    assert!(!cooperative.is_empty());
    for shader in cooperative {
        let twin = shader.key.replace("cooperative", "emulated");
        let twin = ShaderInfo::find(&twin).expect(&twin);
        assert!(shader.cooperative && !twin.cooperative, "{}", shader.key);
        assert_eq!(shader.constants, twin.constants, "{}", shader.key);
        assert_eq!(shader.f16, twin.f16, "{}", shader.key);
    }
}
