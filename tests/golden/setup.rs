//! The learner with the released implementation's parameters, and its batches.

use std::collections::{HashMap, HashSet};

use foveate::agents::sac::{PolicyRange, Sac};
use foveate::agents::{Learner, LearnerOptions};
use foveate::config::Auxiliary;
use foveate::nn::NetworkShape;
use foveate::tape::{Program, Tape, Var};

use crate::common::golden::Golden;
use crate::common::gpu;

/// Samples in a batch.
pub const BATCH: usize = 4;

/// The fixtures' sizes.
pub fn shape() -> NetworkShape {
    NetworkShape {
        image_size: 84,
        planes: 3,
        latent: None,
        shared_encoder: false,
        frame_stack: 3,
        action_dim: 2,
        num_shared_layers: 11,
        num_head_layers: 0,
        num_filters: 8,
        projection_dim: 16,
        hidden_dim: 32,
        // The released decoder has these sizes whatever the encoder's.
        decoder_channels: [32, 128, 64],
        decoder_action: true,
    }
}

/// A learner that holds the parameters of `params.safetensors`, with or without SGQN's
/// decoder.
pub fn learner(decoder: bool) -> Learner {
    learner_of(decoder.then_some(Auxiliary::Mask), None)
}

/// A learner that holds the parameters of `params.safetensors`, and those of its auxiliary
/// phase that are in a fixture of its own.
pub fn learner_of(auxiliary: Option<Auxiliary>, own: Option<&Golden>) -> Learner {
    let options = LearnerOptions {
        seed: 5,
        critic_lr: 1e-3,
        critic_beta: 0.9,
        actor_lr: 1e-3,
        actor_beta: 0.9,
        alpha_lr: 1e-4,
        alpha_beta: 0.5,
        aux_lr: 3e-4,
        aux_beta: 0.9,
        init_temperature: 0.5,
        critic_tau: 0.01,
        encoder_tau: 0.05,
        soda_tau: 0.005,
        auxiliary,
        chooses: false,
    };
    let learner = Learner::new(&gpu(), &shape(), &options).unwrap();
    let golden = Golden::open("sgqn/params");
    let mut left: HashSet<String> = golden.names().into_iter().collect();
    for (name, shape, range) in learner.tensors() {
        if name.contains("_optimizer.") {
            continue;
        }
        let name = format!("param.{name}");
        let (released, values) = match own.filter(|own| own.has(&name)) {
            Some(own) => own.f32(&name),
            None => {
                assert!(left.remove(&name), "{name} is no released parameter");
                golden.f32(&name)
            }
        };
        assert_eq!(shape, released, "{name}");
        gpu().write(&range, bytemuck::cast_slice(&values)).unwrap();
    }
    let decoder = auxiliary == Some(Auxiliary::Mask);
    left.retain(|name| decoder || !name.contains("attribution_predictor"));
    assert!(left.is_empty(), "the learner lacks {left:?}");
    learner
}

/// The steps of the algorithm with the fixtures' settings.
pub fn sac<'a>(learner: &'a Learner, tape: &'a Tape) -> Sac<'a> {
    Sac {
        learner,
        tape,
        discount: 0.99,
        policy: PolicyRange {
            log_std_min: -10.0,
            log_std_max: 2.0,
        },
    }
}

/// All that a learner holds now, by name. Counters read as what their bits mean as f32.
pub fn state(learner: &Learner) -> HashMap<String, Vec<f32>> {
    let tensors = learner.tensors().into_iter();
    tensors
        .map(|(name, _, range)| {
            let bytes = gpu().read_blocking(&range).unwrap();
            (name, bytemuck::pod_collect_to_vec(&bytes))
        })
        .collect()
}

/// A tensor of a fixture as a constant on the tape.
pub fn constant(tape: &Tape, golden: &Golden, name: &str) -> Var {
    let (shape, values) = golden.f32(name);
    tape.constant(&shape, &values).unwrap()
}

/// Rows of the pool, `pool.{what}`, that a fixture's `index` names.
pub fn rows(tape: &Tape, what: &str, golden: &Golden, index: &str) -> Var {
    let (mut shape, values) = Golden::open("sgqn/pool").f32(&format!("pool.{what}"));
    let row: usize = shape[1..].iter().product();
    let (_, index) = golden.i32(index);
    let picked: Vec<f32> = (index.iter())
        .flat_map(|&i| &values[i as usize * row..][..row])
        .copied()
        .collect();
    shape[0] = index.len();
    tape.constant(&shape, &picked).unwrap()
}

/// Σ ⟨cotangent, output⟩, as a scalar.
pub fn dot(pairs: &[(&Var, &Var)]) -> Var {
    let products = pairs.iter().map(|(a, b)| a.mul(b).unwrap().sum_all());
    products
        .map(Result::unwrap)
        .reduce(|sum, p| sum.add(&p).unwrap())
        .expect("at least one pair")
}

/// A compiled tape that ran once, all scratch memory poisoned before.
pub struct Ran(Program);

/// Names the values as outputs and runs the tape once.
pub fn run(tape: &Tape, outputs: &[(String, Var)]) -> Ran {
    for (name, var) in outputs {
        tape.output(name, var);
    }
    let program = tape.compile(&gpu()).unwrap();
    program.poison().unwrap();
    program.run().unwrap();
    Ran(program)
}

impl Ran {
    /// An output, if it was named.
    pub fn get(&self, name: &str) -> Option<Vec<f32>> {
        self.0.output_range(name).ok()?;
        Some(self.0.read_blocking(name).unwrap())
    }
}

/// `grad.param.{name}` for each parameter whose name starts with one of the prefixes.
pub fn parameter_gradients(
    learner: &Learner,
    tape: &Tape,
    scalar: &Var,
    prefixes: &[&str],
) -> Vec<(String, Var)> {
    let names: Vec<String> = (learner.online.layout().entries().iter())
        .map(|e| e.name.clone())
        .filter(|n| prefixes.iter().any(|p| n.starts_with(p)))
        .collect();
    let wrt: Vec<Var> = (names.iter())
        .map(|n| tape.state(&learner.online, n).unwrap())
        .collect();
    let gradients = tape
        .gradients(scalar, &wrt, foveate::tape::Gradient::True)
        .unwrap();
    let named = names.into_iter().zip(gradients);
    named
        .filter_map(|(n, g)| Some((format!("grad.param.{n}"), g?)))
        .collect()
}

/// The gradient with respect to one value.
pub fn gradient(tape: &Tape, scalar: &Var, wrt: &Var) -> Var {
    tape.gradients(
        scalar,
        std::slice::from_ref(wrt),
        foveate::tape::Gradient::True,
    )
    .unwrap()
    .remove(0)
    .expect("a gradient")
}

/// Sample `i` of a batch [`BATCH`, …].
pub fn sample(x: Vec<f32>, i: usize) -> Vec<f32> {
    let each = x.len() / BATCH;
    x[i * each..][..each].to_vec()
}
