//! `pack` is not called directly: an optimiser packs the gradients of its parameters.
//! After one Adam step from zero its first moment is (1 − β₁) times what was packed.

use crate::common::*;
use foveate::agents::{Learner, LearnerOptions};
use foveate::nn::NetworkShape;
use foveate::tape::{Tape, Var};

/// Tensors of odd sizes, so that there are gaps between them in the arena.
fn learner() -> Learner {
    let shape = NetworkShape {
        image_size: 8,
        planes: 3,
        latent: None,
        shared_encoder: false,
        frame_stack: 1,
        action_dim: 1,
        num_shared_layers: 1,
        num_head_layers: 0,
        num_filters: 3,
        projection_dim: 5,
        hidden_dim: 7,
        decoder_channels: [3, 2, 2],
        decoder_action: false,
    };
    let options = LearnerOptions {
        seed: 1,
        critic_lr: 1e-3,
        critic_beta: 0.5,
        actor_lr: 1e-3,
        actor_beta: 0.5,
        alpha_lr: 1e-3,
        alpha_beta: 0.5,
        aux_lr: 1e-3,
        aux_beta: 0.5,
        init_temperature: 0.1,
        critic_tau: 0.01,
        encoder_tau: 0.05,
        soda_tau: 0.005,
        auxiliary: None,
        chooses: false,
    };
    Learner::new(&gpu(), &shape, &options).unwrap()
}

/// One step on Σ weight(i) · Σ tensor i, where the gradient of a tensor is its weight
/// everywhere; tensors without a gradient count as zero.
#[test]
fn every_gradient_lies_in_its_place() {
    let (learner, tape) = (learner(), Tape::new());
    let names: Vec<String> = (learner.online.layout().entries().iter())
        .map(|e| e.name.clone())
        .filter(|n| n.starts_with("actor."))
        .collect();
    assert!(names.len() >= 8, "{names:?}");
    let weight = |i: usize| if i.is_multiple_of(3) { 0.0 } else { i as f32 };
    let mut loss: Option<Var> = None;
    for (i, name) in names.iter().enumerate().filter(|(i, _)| i % 3 != 0) {
        let parameter = tape.state(&learner.online, name).unwrap();
        // The weights are a tensor, so that its product is the gradient itself.
        let weights = tape.full(&parameter.shape(), weight(i));
        let term = parameter.mul(&weights).unwrap().sum_all().unwrap();
        loss = Some(match loss {
            Some(sum) => sum.add(&term).unwrap(),
            None => term,
        });
    }
    let named = learner
        .actor
        .as_ref()
        .unwrap()
        .step(&tape, &learner.online, &loss.unwrap())
        .unwrap();
    assert_eq!(named.len(), (0..names.len()).filter(|i| i % 3 != 0).count());
    let program = tape.compile(&gpu()).unwrap();
    program.poison().unwrap();
    program.run().unwrap();
    for (name, shape, range) in learner.tensors() {
        let Some(parameter) = name.strip_prefix("actor_optimizer.m.") else {
            continue;
        };
        let i = names.iter().position(|n| n == parameter).unwrap();
        let bytes = gpu().read_blocking(&range).unwrap();
        let moment: Vec<f32> = bytemuck::pod_collect_to_vec(&bytes);
        let count = shape.iter().product();
        assert_eq!(moment[..count], vec![0.5 * weight(i); count], "{name}");
    }
}

/// One gradient of two tensors cannot be computed in both places: it is copied.
#[test]
fn shared_gradients_are_copied() {
    let (learner, tape) = (learner(), Tape::new());
    let biases = ["actor.mlp.0.bias", "actor.mlp.2.bias"];
    let [a, b] = biases.map(|n| tape.state(&learner.online, n).unwrap());
    let loss = a.add(&b).unwrap().sum_all().unwrap();
    let actor = learner.actor.as_ref().unwrap();
    actor.step(&tape, &learner.online, &loss).unwrap();
    let program = tape.compile(&gpu()).unwrap();
    assert!(program.dispatches().any(|(op, _)| op == "pack"));
    program.poison().unwrap();
    program.run().unwrap();
    let mut found = 0;
    for (name, shape, range) in learner.tensors() {
        let Some(parameter) = name.strip_prefix("actor_optimizer.m.") else {
            continue;
        };
        let expected = if biases.contains(&parameter) {
            0.5
        } else {
            0.0
        };
        found += (expected > 0.0) as usize;
        let bytes = gpu().read_blocking(&range).unwrap();
        let moment: Vec<f32> = bytemuck::pod_collect_to_vec(&bytes);
        let count = shape.iter().product();
        assert_eq!(moment[..count], vec![expected; count], "{name}");
    }
    assert_eq!(found, 2);
}
