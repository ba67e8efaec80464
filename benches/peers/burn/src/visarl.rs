//! One step of training a MultiMAE of ViSaRL's size. Parameters have the names of the
//! harness; layers' weights lie as burn's own do, `[in, out]`.

use std::collections::HashMap;

use burn::optim::{AdamW, AdamWConfig, AdamWState, Optimizer};
use burn::tensor::activation::gelu;
use burn::tensor::module::{attention, layer_norm, linear};
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Device, Gradients, Int, Tensor, TensorData};
use peers_harness::visarl::{
    ADAM_EPS, BATCH, BETAS, DECODER_DEPTH, DEPTH, DIM, FIRST_MOMENT, GRID, HEADS, LAYER_NORM_EPS,
    LOSSES, LR, MODALITIES, PARAMETERS, PATCH, PATCHES, Parameter, Step, TASKS, TOKENS,
    VARIANCE_EPS, VISIBLE, WEIGHT_DECAY, positions,
};
use peers_harness::{Failure, Work};

use super::{floats, tensor};

/// A tensor that is trained, with its moments.
struct Leaf<const D: usize> {
    value: Tensor<D>,
    state: Option<AdamWState<D>>,
}

impl<const D: usize> Leaf<D> {
    fn new(value: Tensor<D>) -> Leaf<D> {
        Leaf {
            value: value.require_grad(),
            state: None,
        }
    }

    fn step(&mut self, adamw: &AdamW, gradients: &mut Gradients) -> Result<(), Failure> {
        let gradient = (self.value.grad_remove(gradients)).ok_or("a gradient does not exist")?;
        let value = self.value.clone().inner();
        let (value, state) = adamw.step(LR.into(), value, gradient, self.state.take());
        self.value = Tensor::from_inner(value).require_grad();
        self.state = state;
        Ok(())
    }

    /// The first moment.
    fn moment(&self) -> Result<Tensor<D>, Failure> {
        let state = self.state.as_ref().ok_or("nothing was run")?;
        Ok(state.momentum.moment_1.clone())
    }
}

/// The networks.
struct MultiMae {
    /// Names in the harness's order.
    names: Vec<String>,
    matrices: HashMap<String, Leaf<2>>,
    vectors: HashMap<String, Leaf<1>>,
    token_positions: Tensor<3>,
    query_positions: Tensor<3>,
    kept: Tensor<1, Int>,
    restored: Tensor<1, Int>,
    /// [BATCH, TOKENS]
    masked: Tensor<2>,
}

impl MultiMae {
    fn new(step: &Step, device: &Device) -> MultiMae {
        let mut model = MultiMae {
            names: step.parameters.iter().map(|p| p.name.clone()).collect(),
            matrices: HashMap::new(),
            vectors: HashMap::new(),
            token_positions: tensor(positions(true), [1, PATCHES, DIM], device),
            query_positions: tensor(positions(false), [1, PATCHES, DIM], device),
            kept: indices(step.kept(), device),
            restored: indices(step.restored(), device),
            masked: tensor(step.masked(), [BATCH, TOKENS], device),
        };
        for parameter in &step.parameters {
            let Parameter {
                name,
                shape,
                values,
            } = parameter;
            if name.ends_with(".weight") && shape.len() > 1 {
                let [out, input] = [shape[0], values.len() / shape[0]];
                let values = transposed(values, out, input);
                let leaf = Leaf::new(tensor(values, [input, out], device));
                model.matrices.insert(name.clone(), leaf);
            } else {
                let leaf = Leaf::new(tensor(values.clone(), [values.len()], device));
                model.vectors.insert(name.clone(), leaf);
            }
        }
        model
    }

    fn matrix(&self, name: &str) -> Tensor<2> {
        self.matrices[name].value.clone()
    }

    fn vector(&self, name: &str) -> Tensor<1> {
        self.vectors[name].value.clone()
    }

    fn linear(&self, name: &str, x: Tensor<3>) -> Tensor<3> {
        let bias = self.vector(&format!("{name}.bias"));
        linear(x, self.matrix(&format!("{name}.weight")), Some(bias))
    }

    fn norm(&self, name: &str, x: Tensor<3>) -> Tensor<3> {
        let bias = self.vector(&format!("{name}.bias"));
        let weight = self.vector(&format!("{name}.weight"));
        layer_norm(x, weight, Some(bias), LAYER_NORM_EPS.into())
    }

    fn mlp(&self, name: &str, x: Tensor<3>) -> Tensor<3> {
        self.linear(
            &format!("{name}.fc2"),
            gelu(self.linear(&format!("{name}.fc1"), x)),
        )
    }

    fn block(&self, name: &str, x: Tensor<3>) -> Tensor<3> {
        let normed = self.norm(&format!("{name}.norm1"), x.clone());
        let qkv = self.linear(&format!("{name}.attn.qkv"), normed);
        let [q, k, v] = [0, 1, 2].map(|i| qkv.clone().narrow(2, i * DIM, DIM));
        let x = x + self.linear(&format!("{name}.attn.proj"), mixed(q, k, v));
        let normed = self.norm(&format!("{name}.norm2"), x.clone());
        x + self.mlp(&format!("{name}.mlp"), normed)
    }

    /// The visible ones of [B, TOKENS, DIM].
    fn seen(&self, tokens: Tensor<3>) -> Tensor<3> {
        let rows = tokens
            .reshape([BATCH * TOKENS, DIM])
            .select(0, self.kept.clone());
        rows.reshape([BATCH, VISIBLE, DIM])
    }

    fn encode(&self, patches: &[Tensor<3>]) -> Tensor<3> {
        let tokens = MODALITIES.iter().zip(patches).map(|((name, _), x)| {
            let x = self.linear(&format!("input_adapters.{name}.proj"), x.clone());
            x + self.token_positions.clone()
        });
        let visible = self.seen(Tensor::cat(tokens.collect(), 1));
        let global = self.vector("global_tokens").reshape([1, 1, DIM]);
        let mut x = Tensor::cat(vec![visible, global.expand([BATCH, 1, DIM])], 1);
        for i in 0..DEPTH {
            x = self.block(&format!("encoder.{i}"), x);
        }
        x
    }

    fn decode(&self, at: &str, modality: usize, encoded: Tensor<3>) -> Tensor<3> {
        let context = self.linear(&format!("{at}.proj_context"), encoded);
        let visible = context
            .clone()
            .narrow(1, 0, VISIBLE)
            .reshape([BATCH * VISIBLE, DIM]);
        let global = context.narrow(1, VISIBLE, 1);
        let mask_token = self.vector(&format!("{at}.mask_token")).reshape([1, DIM]);
        let rows = Tensor::cat(vec![visible, mask_token], 0).select(0, self.restored.clone());
        let embeddings = MODALITIES.map(|(name, _)| {
            let task = self.vector(&format!("{at}.task_embeddings.{name}"));
            task.reshape([1, 1, DIM]) + self.query_positions.clone()
        });
        let tokens = rows.reshape([BATCH, TOKENS, DIM]) + Tensor::cat(embeddings.into(), 1);
        let queries = tokens.clone().narrow(1, modality * PATCHES, PATCHES);
        let context = Tensor::cat(vec![self.seen(tokens), global], 1);
        let queries = self.norm(&format!("{at}.query_norm"), queries);
        let context = self.norm(&format!("{at}.context_norm"), context);
        let q = self.linear(&format!("{at}.decoder.q"), queries);
        let kv = self.linear(&format!("{at}.decoder.kv"), context);
        let [k, v] = [0, 1].map(|i| kv.clone().narrow(2, i * DIM, DIM));
        let x = self.linear(&format!("{at}.decoder.proj"), mixed(q, k, v));
        let normed = self.norm(&format!("{at}.out_norm"), x.clone());
        let mut x = x + self.mlp(&format!("{at}.mlp"), normed);
        for i in 0..DECODER_DEPTH {
            x = self.block(&format!("{at}.decoder_transformer.{i}"), x);
        }
        self.linear(&format!("{at}.out_proj"), x)
    }

    fn loss(&self, patches: &[Tensor<3>]) -> Tensor<1> {
        let encoded = self.encode(patches);
        let losses = TASKS.map(|(task, modality, weight)| {
            let mut target = patches[modality].clone();
            if task == "norm_rgb" {
                let (variance, mean) = target.clone().var_mean(2);
                target = (target - mean) / (variance + VARIANCE_EPS).sqrt();
            }
            let at = format!("output_adapters.{task}");
            let error = self.decode(&at, modality, encoded.clone()) - target;
            let error = match task {
                "saliency" => error.abs(),
                _ => error.square(),
            };
            let masked = self.masked.clone().narrow(1, modality * PATCHES, PATCHES);
            // Every sample has hidden patches of both images: 32 of 128 are visible.
            let of_patch = error.mean_dim(2).reshape([BATCH, PATCHES]);
            let of_sample = (of_patch * masked.clone()).sum_dim(1) / masked.sum_dim(1);
            of_sample.mean() * weight
        });
        losses
            .into_iter()
            .reduce(|a, b| a + b)
            .expect("three tasks")
    }
}

/// Attention of [B, N, DIM] to [B, M, DIM].
fn mixed(q: Tensor<3>, k: Tensor<3>, v: Tensor<3>) -> Tensor<3> {
    let tokens = q.dims()[1];
    let [q, k, v] = [q, k, v].map(|x| {
        let count = x.dims()[1];
        x.reshape([BATCH, count, HEADS, DIM / HEADS])
            .swap_dims(1, 2)
    });
    let y = attention(q, k, v, None, None, AttentionModuleOptions::default());
    y.swap_dims(1, 2).reshape([BATCH, tokens, DIM])
}

fn indices(data: Vec<u32>, device: &Device) -> Tensor<1, Int> {
    let data: Vec<i32> = data.into_iter().map(|i| i as i32).collect();
    let len = data.len();
    Tensor::from_data(TensorData::new(data, [len]), device)
}

/// [rows, columns] → [columns, rows].
fn transposed(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    (0..columns)
        .flat_map(|j| (0..rows).map(move |i| values[i * columns + j]))
        .collect()
}

/// The step, and what came of the first two.
pub struct Training {
    device: Device,
    model: MultiMae,
    images: Vec<Tensor<4>>,
    adamw: AdamW,
    loss: Option<Tensor<1>>,
    steps: usize,
    results: Vec<(String, Vec<f32>)>,
}

impl Training {
    pub fn new(device: &Device) -> Training {
        let step = Step::new();
        let count: usize = step.parameters.iter().map(|p| p.values.len()).sum();
        let model = MultiMae::new(&step, device);
        let adamw = AdamWConfig::new()
            .with_beta_1(BETAS[0])
            .with_beta_2(BETAS[1])
            .with_epsilon(ADAM_EPS)
            .with_weight_decay(WEIGHT_DECAY);
        let side = GRID * PATCH;
        let images = MODALITIES.iter().zip(step.images);
        Training {
            images: images
                .map(|((_, channels), image)| tensor(image, [BATCH, *channels, side, side], device))
                .collect(),
            device: device.clone(),
            model,
            adamw: adamw.build(),
            loss: None,
            steps: 0,
            results: vec![(PARAMETERS.to_string(), vec![count as f32])],
        }
    }

    fn first_moment(&self) -> Result<Vec<f32>, Failure> {
        let mut all = vec![];
        for name in &self.model.names {
            match self.model.matrices.get(name) {
                Some(leaf) => {
                    let moment = leaf.moment()?;
                    let [input, out] = moment.dims();
                    all.extend(transposed(&floats(&moment)?, input, out));
                }
                None => all.extend(floats(&self.model.vectors[name].moment()?)?),
            }
        }
        Ok(all)
    }
}

/// [B, C, SIDE, SIDE] → [B, PATCHES, C · PATCH²].
fn patchify(image: Tensor<4>) -> Tensor<3> {
    let channels = image.dims()[1];
    image
        .reshape([BATCH, channels, GRID, PATCH, GRID, PATCH])
        .permute([0, 2, 4, 1, 3, 5])
        .reshape([BATCH, PATCHES, channels * PATCH * PATCH])
}

impl Work for Training {
    fn run(&mut self) -> Result<(), Failure> {
        let patches: Vec<_> = self.images.iter().cloned().map(patchify).collect();
        let loss = self.model.loss(&patches);
        let mut gradients = loss.backward();
        for leaf in self.model.matrices.values_mut() {
            leaf.step(&self.adamw, &mut gradients)?;
        }
        for leaf in self.model.vectors.values_mut() {
            leaf.step(&self.adamw, &mut gradients)?;
        }
        self.device.sync().map_err(|e| format!("{e:?}"))?;
        if let Some(name) = LOSSES.get(self.steps) {
            self.results.push((name.to_string(), floats(&loss)?));
            if self.steps == 0 {
                let moment = self.first_moment()?;
                self.results.push((FIRST_MOMENT.to_string(), moment));
            }
        }
        self.loss = Some(loss);
        self.steps += 1;
        Ok(())
    }

    fn results(&mut self) -> Result<Vec<(String, Vec<f32>)>, Failure> {
        self.loss.as_ref().ok_or("nothing was run")?;
        Ok(self.results.clone())
    }
}
