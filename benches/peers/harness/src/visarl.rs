//! A step of training a MultiMAE of ViSaRL's size (Liang et al. 2024; Bachmann et al.
//! 2022): sizes, numbers, and which tokens are visible. `../../pytorch/visarl.py` is the
//! same in Python.

use super::{signed, unsigned};

/// Scenes of a step; each is an RGB image and a saliency map of SIDE × SIDE.
pub const BATCH: usize = 64;
pub const SIDE: usize = 64;
/// Side of a patch, and patches along a side.
pub const PATCH: usize = 8;
pub const GRID: usize = SIDE / PATCH;
/// Tokens of one image, of a scene, and those that the encoder sees.
pub const PATCHES: usize = GRID * GRID;
pub const TOKENS: usize = 2 * PATCHES;
pub const VISIBLE: usize = 32;
/// Width of a token, in the encoder and in the decoders.
pub const DIM: usize = 256;
pub const HEADS: usize = 4;
/// Blocks of the encoder, and of each decoder behind its cross-attention.
pub const DEPTH: usize = 4;
pub const DECODER_DEPTH: usize = 3;
/// Name and channels of the images of a scene.
pub const MODALITIES: [(&str, usize); 2] = [("rgb", 3), ("saliency", 1)];
/// Name, modality and weight of what decoders restore: the squared error of RGB, the
/// absolute one of saliency, and the squared one of RGB patches less their mean, over
/// √(their unbiased variance + 1e-6).
pub const TASKS: [(&str, usize, f32); 3] =
    [("rgb", 0, 1.0), ("saliency", 1, 10.0), ("norm_rgb", 0, 1.0)];
pub const LAYER_NORM_EPS: f32 = 1e-6;
pub const VARIANCE_EPS: f32 = 1e-6;
/// Of AdamW, over all parameters.
pub const LR: f32 = 1e-4;
pub const BETAS: [f32; 2] = [0.9, 0.95];
pub const ADAM_EPS: f32 = 1e-8;
pub const WEIGHT_DECAY: f32 = 0.05;
/// Results that every peer keeps from its first two steps.
pub const LOSSES: [&str; 2] = ["loss_1", "loss_2"];
/// The first moment of all parameters, one behind the other, after the first step: a
/// tenth of the gradient.
pub const FIRST_MOMENT: &str = "first_moment.grad";
/// How many there are.
pub const PARAMETERS: &str = "parameters";

/// A tensor that is trained.
pub struct Parameter {
    pub name: String,
    /// Of a linear layer's weight `[out, in]`.
    pub shape: Vec<usize>,
    pub values: Vec<f32>,
}

/// Everything that the step is computed from.
pub struct Step {
    /// Of each modality, `[BATCH, channels, SIDE, SIDE]`.
    pub images: [Vec<f32>; 2],
    /// For each sample its VISIBLE tokens, of TOKENS, in the order in which they are seen.
    pub visible: Vec<Vec<usize>>,
    pub parameters: Vec<Parameter>,
}

impl Step {
    pub fn new() -> Step {
        let len = |channels| BATCH * channels * SIDE * SIDE;
        Step {
            images: [signed(20, len(3), 2.0), unsigned(21, len(1))],
            visible: (0..BATCH as u32).map(visible).collect(),
            parameters: parameters(),
        }
    }

    /// The visible tokens as rows of [BATCH · TOKENS, …].
    pub fn kept(&self) -> Vec<u32> {
        let rows = self.visible.iter().enumerate();
        rows.flat_map(|(b, tokens)| tokens.iter().map(move |t| (b * TOKENS + t) as u32))
            .collect()
    }

    /// For each token its row among the BATCH · VISIBLE visible ones, and behind them
    /// where it is none.
    pub fn restored(&self) -> Vec<u32> {
        let mut rows = vec![(BATCH * VISIBLE) as u32; BATCH * TOKENS];
        for (row, token) in self.kept().into_iter().enumerate() {
            rows[token as usize] = row as u32;
        }
        rows
    }

    /// 1 for each token that is hidden, else 0: [BATCH, TOKENS].
    pub fn masked(&self) -> Vec<f32> {
        let hidden = |row: u32| f32::from(row == (BATCH * VISIBLE) as u32);
        self.restored().into_iter().map(hidden).collect()
    }
}

impl Default for Step {
    fn default() -> Self {
        Self::new()
    }
}

/// Those whose random numbers are least.
fn visible(sample: u32) -> Vec<usize> {
    let numbers = unsigned(2000 + sample, TOKENS);
    let mut tokens: Vec<usize> = (0..TOKENS).collect();
    // Stable: equal numbers keep their order.
    tokens.sort_by(|a, b| numbers[*a].total_cmp(&numbers[*b]));
    tokens.truncate(VISIBLE);
    tokens
}

/// All parameters, in the order of [`FIRST_MOMENT`].
fn parameters() -> Vec<Parameter> {
    let mut found = vec![];
    for (name, channels) in MODALITIES {
        let name = format!("input_adapters.{name}.proj");
        push(
            &mut found,
            &format!("{name}.weight"),
            &[DIM, channels, PATCH, PATCH],
        );
        push(&mut found, &format!("{name}.bias"), &[DIM]);
    }
    for i in 0..DEPTH {
        block(&mut found, &format!("encoder.{i}"));
    }
    push(&mut found, "global_tokens", &[1, 1, DIM]);
    for (task, modality, _) in TASKS {
        let at = |name: &str| format!("output_adapters.{task}.{name}");
        linear(&mut found, &at("proj_context"), DIM, DIM);
        for (modality, _) in MODALITIES {
            let name = at(&format!("task_embeddings.{modality}"));
            push(&mut found, &name, &[1, 1, DIM]);
        }
        push(&mut found, &at("mask_token"), &[1, 1, DIM]);
        linear(&mut found, &at("decoder.q"), DIM, DIM);
        linear(&mut found, &at("decoder.kv"), 2 * DIM, DIM);
        linear(&mut found, &at("decoder.proj"), DIM, DIM);
        for name in ["context_norm", "query_norm", "out_norm"] {
            norm(&mut found, &at(name));
        }
        linear(&mut found, &at("mlp.fc1"), 4 * DIM, DIM);
        linear(&mut found, &at("mlp.fc2"), DIM, 4 * DIM);
        for i in 0..DECODER_DEPTH {
            block(&mut found, &at(&format!("decoder_transformer.{i}")));
        }
        let pixels = MODALITIES[modality].1 * PATCH * PATCH;
        linear(&mut found, &at("out_proj"), pixels, DIM);
    }
    found
}

fn block(found: &mut Vec<Parameter>, name: &str) {
    norm(found, &format!("{name}.norm1"));
    linear(found, &format!("{name}.attn.qkv"), 3 * DIM, DIM);
    linear(found, &format!("{name}.attn.proj"), DIM, DIM);
    norm(found, &format!("{name}.norm2"));
    linear(found, &format!("{name}.mlp.fc1"), 4 * DIM, DIM);
    linear(found, &format!("{name}.mlp.fc2"), DIM, 4 * DIM);
}

fn linear(found: &mut Vec<Parameter>, name: &str, out: usize, input: usize) {
    push(found, &format!("{name}.weight"), &[out, input]);
    push(found, &format!("{name}.bias"), &[out]);
}

fn norm(found: &mut Vec<Parameter>, name: &str) {
    push(found, &format!("{name}.weight"), &[DIM]);
    push(found, &format!("{name}.bias"), &[DIM]);
}

/// Weights of layers keep the variance (Glorot and Bengio 2010), those of norms are near
/// 1, and everything else is near 0.
fn push(found: &mut Vec<Parameter>, name: &str, shape: &[usize]) {
    let len: usize = shape.iter().product();
    let seed = 1000 + found.len() as u32;
    let layer = name.ends_with(".weight") && shape.len() > 1;
    let scale = match layer {
        true => (6.0 / (shape[0] + len / shape[0]) as f64).sqrt() as f32,
        false => 0.1,
    };
    let mut values = signed(seed, len, scale);
    if name.ends_with(".weight") && !layer {
        values.iter_mut().for_each(|v| *v += 1.0);
    }
    found.push(Parameter {
        name: name.to_string(),
        shape: shape.to_vec(),
        values,
    });
}

/// Position embeddings of patches, [PATCHES, DIM]: those of a grid of 28 × 28, sines and
/// cosines of the row and then of the column, carried to this grid.
pub fn positions(cubic: bool) -> Vec<f32> {
    const FROM: usize = 28;
    let quarter = DIM / 4;
    // Rows and columns are interpolated alike, and each half depends on one of them.
    let along = |cell: usize| -> Vec<f32> {
        let at = (cell as f64 + 0.5) * FROM as f64 / GRID as f64 - 0.5;
        let first = at.floor();
        let part = at - first;
        let taps = match cubic {
            // Keys 1981 with A = −0.75.
            true => [1.0 + part, part, 1.0 - part, 2.0 - part].map(|d: f64| match d {
                d if d <= 1.0 => (1.25 * d - 2.25) * d * d + 1.0,
                d => -0.75 * (((d - 5.0) * d + 8.0) * d - 4.0),
            }),
            false => [0.0, 1.0 - part, part, 0.0],
        };
        let value = |wave: fn(f64) -> f64, k: usize| -> f32 {
            let frequency = 10_000f64.powf(-(k as f64) / quarter as f64);
            let of = |i: f64| wave(frequency * i.clamp(0.0, (FROM - 1) as f64));
            let sum = (taps.iter().enumerate()).map(|(i, tap)| tap * of(first - 1.0 + i as f64));
            sum.sum::<f64>() as f32
        };
        let sines = (0..quarter).map(|k| value(f64::sin, k));
        sines
            .chain((0..quarter).map(|k| value(f64::cos, k)))
            .collect()
    };
    (0..PATCHES)
        .flat_map(|patch| [along(patch / GRID), along(patch % GRID)].concat())
        .collect()
}
