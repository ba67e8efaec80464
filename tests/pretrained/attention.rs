//! Attention maps against float64, and against what the fused attention makes.

use std::collections::BTreeMap;

use foveate::nn::{Block, MultiMaeShape, ParameterLayout, Scope};
use foveate::ops::AttentionOptions;
use foveate::pretrained::{
    Architecture, AttentionMaps, AttentionProgram, ImageAttention, PretrainedEncoder, save,
};
use foveate::tape::{Tape, Var};
use safetensors::tensor::Dtype;

use crate::common::{Array, assert_close, computed, gpu, random, random_in, rng};
use crate::support::{File, mae, multimae, random as random_parameters};

/// A matrix product per row of `weight` [out, in], in float64.
fn linear(x: &[f64], weight: &[f64], bias: &[f64]) -> Vec<f64> {
    let input = weight.len() / bias.len();
    x.chunks_exact(input)
        .flat_map(|row| {
            weight
                .chunks_exact(input)
                .zip(bias)
                .map(move |(w, b)| b + row.iter().zip(w).map(|(x, w)| x * w).sum::<f64>())
        })
        .collect()
}

fn layer_norm(x: &[f64], weight: &[f64], bias: &[f64]) -> Vec<f64> {
    let n = weight.len() as f64;
    x.chunks_exact(weight.len())
        .flat_map(|row| {
            let mean = row.iter().sum::<f64>() / n;
            let variance = row.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
            let scale = 1.0 / (variance + 1e-6).sqrt();
            (row.iter().zip(weight.iter().zip(bias)))
                .map(move |(v, (w, b))| (v - mean) * scale * w + b)
        })
        .collect()
}

fn softmax(row: &[f64]) -> Vec<f64> {
    let most = row.iter().fold(f64::MIN, |a, &b| a.max(b));
    let powers: Vec<f64> = row.iter().map(|v| (v - most).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|p| p / sum).collect()
}

/// The shares of a block's attention in float64, and against the fused kernel: its result
/// is those shares of the values.
#[test]
fn shares_are_those_of_the_fused_attention() {
    for (batch, tokens, dim, heads) in [(1, 1, 8, 2), (2, 5, 12, 3), (1, 65, 64, 1), (3, 17, 32, 2)]
    {
        let mut rng = rng(tokens as u64);
        let mut layout = ParameterLayout::default();
        Block::push(&mut layout, "block", dim);
        let parameters = layout.allocate(&gpu(), "block", 3).unwrap();
        let mut set = BTreeMap::new();
        for entry in parameters.layout().entries() {
            // Scores of about 1, so that shares differ; exact in f32.
            let scale = if entry.shape.len() == 2 { 0.25 } else { 1.0 };
            let values = random(&mut rng, &entry.shape).map(|v| v * scale);
            let range = parameters.slice(entry.range());
            gpu()
                .write(&range, bytemuck::cast_slice(&values.f32()))
                .unwrap();
            set.insert(entry.name.clone(), values.data);
        }
        let x = random(&mut rng, &[batch, tokens, dim]);
        let tape = Tape::new();
        let scope = Scope::new(&tape, &parameters, "block");
        let input = tape.constant(&x.shape, &x.f32()).unwrap();
        let shares = Block::attention_probabilities(&scope, &input, heads).unwrap();
        assert_eq!(shares.shape(), [batch, heads, tokens, tokens]);
        let got = computed(&tape, &shares);

        let of = |name: &str| set[&format!("block.{name}")].as_slice();
        let normed = layer_norm(&x.data, of("norm1.weight"), of("norm1.bias"));
        let qkv = linear(&normed, of("attn.qkv.weight"), of("attn.qkv.bias"));
        let head = dim / heads;
        let vector = |which: usize, sample: usize, h: usize, token: usize| {
            &qkv[((sample * tokens + token) * 3 + which) * dim + h * head..][..head]
        };
        let mut expected = vec![];
        let mut mixed = vec![0.0; batch * tokens * dim];
        for sample in 0..batch {
            for h in 0..heads {
                for i in 0..tokens {
                    let q = vector(0, sample, h, i);
                    let score = |j: usize| {
                        let k = vector(1, sample, h, j);
                        q.iter().zip(k).map(|(a, b)| a * b).sum::<f64>() / (head as f64).sqrt()
                    };
                    let row = softmax(&(0..tokens).map(score).collect::<Vec<_>>());
                    expected.extend(&row);
                    // The device's own shares of the values.
                    let at = ((sample * heads + h) * tokens + i) * tokens;
                    let to = &mut mixed[(sample * tokens + i) * dim + h * head..][..head];
                    for (j, share) in got[at..at + tokens].iter().enumerate() {
                        for (sum, v) in to.iter_mut().zip(vector(2, sample, h, j)) {
                            *sum += f64::from(*share) * v;
                        }
                    }
                }
            }
        }
        assert_close("shares", &got, &expected, 2e-5);

        let tape = Tape::new();
        let scope = Scope::new(&tape, &parameters, "block");
        let input = tape.constant(&x.shape, &x.f32()).unwrap();
        let fused = scope
            .linear(
                "attn.qkv",
                &scope.layer_norm("norm1", &input, 1e-6).unwrap(),
            )
            .and_then(|qkv| qkv.self_attention(AttentionOptions::heads(heads)))
            .unwrap();
        assert_close("fused", &computed(&tape, &fused), &mixed, 2e-5);
    }
}

/// An encoder of two blocks of this method with random weights and positions.
fn encoder(network: &Architecture) -> PretrainedEncoder {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    let parameters = random_parameters(network, 3);
    // Xavier's scores are too even to tell heads apart.
    for entry in parameters.layout().entries() {
        if entry.name.ends_with("qkv.weight") {
            let values = random(&mut rng(entry.offset as u64), &entry.shape);
            let range = parameters.slice(entry.range());
            gpu()
                .write(&range, bytemuck::cast_slice(&values.f32()))
                .unwrap();
        }
    }
    save(&gpu(), &path, network, &parameters).unwrap();
    PretrainedEncoder::open(&gpu(), &path).unwrap()
}

fn of_two_blocks() -> [PretrainedEncoder; 2] {
    let Architecture::MultiMae(shape) = multimae() else {
        panic!("no MultiMAE");
    };
    let deeper = Architecture::MultiMae(MultiMaeShape { depth: 2, ..shape });
    [encoder(&mae()), encoder(&deeper)]
}

fn images(encoder: &PretrainedEncoder, batch: usize) -> Vec<Array> {
    let mut rng = rng(9);
    let side = encoder.image_size();
    (encoder.modalities().iter())
        .map(|m| random_in(&mut rng, &[batch, m.channels, side, side], 0.0, 255.0))
        .collect()
}

/// Every block's row of the whole's token, and the product over the blocks in float64.
#[test]
fn maps_are_rows_of_the_shares_and_of_their_product() {
    for encoder in of_two_blocks() {
        let (batch, depth, heads) = (2, encoder.depth(), encoder.heads());
        let tape = Tape::new();
        let inputs: Vec<Var> = (images(&encoder, batch).iter())
            .map(|image| tape.constant(&image.shape, &image.f32()).unwrap())
            .collect();
        let blocks = encoder.attention(&tape, &inputs).unwrap();
        let maps = AttentionMaps::record(&encoder, &tape, &inputs).unwrap();
        for (i, shares) in blocks.iter().enumerate() {
            tape.output(&format!("block {i}"), shares);
        }
        tape.output("heads", &maps.heads);
        tape.output("rollout", &maps.rollout);
        let program = tape.compile(&gpu()).unwrap();
        program.poison().unwrap();
        program.run().unwrap();
        let read = |name: &str| -> Vec<f32> { program.read_blocking(name).unwrap() };
        let tokens = maps.rollout.shape()[1];
        assert_eq!(tokens, inputs.len() * encoder.patches() + 1);
        assert_eq!(maps.heads.shape(), [batch, depth, heads, tokens]);
        let whole = encoder.whole_token(inputs.len());
        assert_eq!(
            whole,
            if encoder.patch_tokens(0).start == 1 {
                0
            } else {
                tokens - 1
            }
        );

        let (mut rows, mut rolled) = (vec![], vec![]);
        for sample in 0..batch {
            let area = tokens * tokens;
            let mut product: Vec<f64> = (0..area)
                .map(|i| if i / tokens == i % tokens { 1.0 } else { 0.0 })
                .collect();
            for i in 0..depth {
                let shares = read(&format!("block {i}"));
                let of_sample = &shares[sample * heads * area..][..heads * area];
                for head in of_sample.chunks_exact(area) {
                    rows.extend(
                        head[whole * tokens..][..tokens]
                            .iter()
                            .map(|&v| f64::from(v)),
                    );
                }
                // ½ (mean over heads + I), its rows brought to 1, times what is below.
                let mut mixed: Vec<f64> = (0..area)
                    .map(|at| {
                        let sum: f32 = of_sample.iter().skip(at).step_by(area).sum();
                        let own = if at / tokens == at % tokens { 1.0 } else { 0.0 };
                        f64::from(sum) / heads as f64 + own
                    })
                    .collect();
                for row in mixed.chunks_exact_mut(tokens) {
                    let sum: f64 = row.iter().sum();
                    row.iter_mut().for_each(|v| *v /= sum);
                }
                product = (0..area)
                    .map(|at| {
                        let (i, j) = (at / tokens, at % tokens);
                        (0..tokens)
                            .map(|k| mixed[i * tokens + k] * product[k * tokens + j])
                            .sum()
                    })
                    .collect();
            }
            rolled.extend_from_slice(&product[whole * tokens..][..tokens]);
        }
        assert_close("heads", &read("heads"), &rows, 1e-7);
        assert_close("rollout", &read("rollout"), &rolled, 1e-5);
        for row in read("rollout").chunks_exact(tokens) {
            assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5);
        }
    }
}

/// One scene at a time, the same maps; and the file of them.
#[test]
fn the_program_gives_and_writes_these_maps() {
    for encoder in of_two_blocks() {
        let scene = images(&encoder, 1);
        let values: Vec<Vec<f32>> = scene.iter().map(Array::f32).collect();
        let slices: Vec<&[f32]> = values.iter().map(Vec::as_slice).collect();
        let all = AttentionProgram::new(&gpu(), &encoder, slices.len()).unwrap();
        let maps = all.run(&slices).unwrap();
        let tape = Tape::new();
        let inputs: Vec<Var> = (scene.iter())
            .map(|image| tape.constant(&image.shape, &image.f32()).unwrap())
            .collect();
        let recorded = AttentionMaps::record(&encoder, &tape, &inputs).unwrap();
        assert_eq!(maps.heads, computed(&tape, &recorded.heads));
        let [depth, heads, tokens] = all.shape();
        assert_eq!(maps.heads.len(), depth * heads * tokens);
        assert_eq!(maps.rollout.len(), tokens);

        // RGB alone, twice.
        let alone = AttentionProgram::new(&gpu(), &encoder, 1).unwrap();
        let maps = alone.run(&slices[..1]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("attention.safetensors");
        let notes = BTreeMap::from([("images", "0,1".to_string())]);
        alone
            .save(&path, &[maps.clone(), maps.clone()], &notes)
            .unwrap();
        let file = File::read(&path);
        let [depth, heads, tokens] = alone.shape();
        assert_eq!(tokens, encoder.patches() + 1);
        assert_eq!(file.tensors["attention"].dtype, Dtype::F32);
        assert_eq!(file.tensors["attention"].shape, [2, depth, heads, tokens]);
        assert_eq!(file.tensors["rollout"].shape, [2, tokens]);
        assert_eq!(file.texts["images"], "0,1");
        let ImageAttention { heads, rollout } = maps;
        assert_eq!(file.values("attention"), heads.repeat(2));
        assert_eq!(file.values("rollout"), rollout.repeat(2));
        assert!(alone.run(&[&values[0][1..]]).is_err());
    }
}
