//! The embeddings of a frozen encoder, made once and kept.

use std::path::Path;

use foveate::agents::evaluate::Stage;
use foveate::agents::{
    Agent, Eye, Framing, LatentStore, Observations, ObservedShape, Replay, ReplayShape, Retina,
};
use foveate::config::{Config, Inputs, LatentScale};
use foveate::envs::{EnvOptions, open};
use foveate::gpu::{Gpu, GpuError};
use foveate::pretrained::PretrainedEncoder;
use foveate::tape::Tape;
use rand::RngExt;

use crate::common::skip::skipped;
use crate::common::{fixed_u32, gpu, rng};
use crate::{SIDE, SLOTS, STACK, frozen, read, transition};

/// What lies in a slot is what the encoder makes of the frame that was shown, however
/// many frames came after.
#[test]
fn embeddings_are_made_of_what_is_shown() {
    for (inputs, saliency) in [
        (Inputs::Rgb, false),
        (Inputs::Rgb, true),
        (Inputs::RgbAndSaliency, true),
    ] {
        let frozen = frozen(inputs, saliency);
        let eye = Eye::open(&gpu(), &frozen.config).unwrap();
        assert_eq!(eye.observed(), ObservedShape::Latent { width: 16 });
        let store = Observations::new(&gpu(), SLOTS, eye.observed()).unwrap();
        let retina = Retina::new(&gpu(), &eye, &store).unwrap();
        let options = EnvOptions {
            image_size: SIDE,
            ..EnvOptions::new("native/reach")
        };
        let mut env = open(&gpu(), retina.canvas(), &options).unwrap();
        let mut expected = vec![];
        for (episode, slot) in [(0, 3u32), (1, 0), (2, 4)] {
            env.reset(0, episode).unwrap();
            retina.observe(env.as_mut(), slot).unwrap();
            let tape = Tape::new();
            let frame = fixed_u32(&tape, &[1, 1], &[0]);
            let planes = frame.stack_frames(retina.canvas(), None).unwrap();
            let mut images = vec![planes.slice(1, 0..3).unwrap()];
            if inputs == Inputs::RgbAndSaliency {
                images.push(planes.slice(1, 3..4).unwrap());
            }
            let encoder = eye.encoder().unwrap();
            let embedding = encoder.embedding(&tape, &images).unwrap();
            expected.push((slot, read(&tape, &embedding)));
        }
        let tape = Tape::new();
        let slots = fixed_u32(&tape, &[1, 3], &[4, 3, 0]);
        let stack = eye.see(&tape, &slots, &store, Framing::Centre).unwrap();
        assert_eq!(stack.shape(), [1, 48]);
        let got = read(&tape, &stack);
        for (place, slot) in [4, 3, 0].into_iter().enumerate() {
            let (_, right) = expected.iter().find(|(s, _)| *s == slot).unwrap();
            assert_eq!(&got[16 * place..][..16], right, "{inputs}, slot {slot}");
            assert!(right.iter().any(|v| v.abs() > 1e-3));
        }
        assert!(expected[0].1 != expected[1].1, "{inputs}");
    }
}

/// Embeddings are seen less their mean and over their deviation, once these are measured;
/// as they are before, and where the configuration says so.
#[test]
fn embeddings_are_seen_on_a_scale_of_their_own() {
    const FRAMES: usize = 12;
    let frozen = frozen(Inputs::Rgb, false);
    for scale in [LatentScale::Standardised, LatentScale::Raw] {
        let config = Config {
            latent_scale: scale,
            ..frozen.config.clone()
        };
        let agent = Agent::new(&gpu(), &config, 2).unwrap();
        let shape = ReplayShape {
            capacity: 40,
            frame_stack: STACK,
            action_dim: 2,
            observed: agent.eye().observed(),
            episode_steps: 10,
        };
        let mut replay = Replay::new(&gpu(), shape).unwrap();
        let mut rng = rng(9);
        let mut all: Vec<[f32; 16]> = vec![];
        let mut push = |replay: &mut Replay| {
            let frame = replay.next_frame().unwrap();
            // One component far from zero, one that never changes.
            let embedding = std::array::from_fn(|i| match i {
                0 => 5.0 + rng.random_range(-0.1..0.1),
                1 => 3.0,
                _ => rng.random_range(-1.0..1.0),
            });
            replay
                .write_frame(frame, bytemuck::cast_slice(&embedding))
                .unwrap();
            all.push(embedding);
        };
        let seen = |replay: &Replay| {
            let tape = Tape::new();
            let slots = fixed_u32(&tape, &[1, 2], &[2, 1]);
            read(
                &tape,
                &agent
                    .see(&tape, &slots, replay.store(), Framing::Centre)
                    .unwrap(),
            )
        };
        for _ in 0..7 {
            push(&mut replay);
        }
        // Too few to tell.
        agent.standardise(&replay).unwrap();
        let raw = seen(&replay);
        for _ in 7..FRAMES {
            push(&mut replay);
        }
        assert_eq!(raw, [all[2], all[1]].concat());
        agent.standardise(&replay).unwrap();
        let got = seen(&replay);
        let names: Vec<String> = agent.tensors().into_iter().map(|t| t.0).collect();
        let kept = names.iter().filter(|n| n.starts_with("latent.")).count();
        if scale == LatentScale::Raw {
            assert_eq!((got, kept), (raw, 0));
            continue;
        }
        assert_eq!(kept, 2);
        for (place, frame) in [2, 1].into_iter().enumerate() {
            for i in 0..16 {
                let column = || all.iter().map(|row| f64::from(row[i]));
                let mean = column().sum::<f64>() / FRAMES as f64;
                let variance = column().map(|v| (v - mean).powi(2)).sum::<f64>() / FRAMES as f64;
                let expected = (f64::from(all[frame][i]) - mean) / (variance + 1e-4).sqrt();
                let got = f64::from(got[16 * place + i]);
                assert!((got - expected).abs() < 2e-5, "{i}: {got} / {expected}");
            }
        }
    }
}

/// An update on embeddings moves actor and critics, there is no CNN, and the encoder's
/// weights stay what they are.
#[test]
fn sac_learns_on_embeddings() {
    let frozen = frozen(Inputs::Rgb, false);
    let config = &frozen.config;
    let mut agent = Agent::new(&gpu(), config, 2).unwrap();
    let names: Vec<String> = agent.tensors().into_iter().map(|t| t.0).collect();
    assert!(
        !names
            .iter()
            .any(|n| n.contains("shared_cnn") || n.contains("projection"))
    );
    let first = (agent.tensors().into_iter()).find(|t| t.0 == "actor.mlp.0.weight");
    assert_eq!(first.unwrap().1, [8, 16 * STACK]);

    let shape = ReplayShape {
        capacity: 20,
        frame_stack: STACK,
        action_dim: 2,
        observed: agent.eye().observed(),
        episode_steps: 10,
    };
    let mut replay = Replay::new(&gpu(), shape).unwrap();
    assert_eq!(replay.store().shape().bytes(), 64);
    let mut rng = rng(8);
    for _ in 0..STACK + 8 {
        let frame = replay.next_frame().unwrap();
        let embedding: Vec<f32> = (0..16).map(|_| rng.random_range(-1.0..1.0)).collect();
        let bytes = bytemuck::cast_slice(&embedding);
        replay.write_frame(frame, bytes).unwrap();
        assert_eq!(replay.read_frames(frame..frame + 1).unwrap(), bytes);
    }
    for step in 0..8u64 {
        replay.push(&transition(step)).unwrap();
    }
    let bits = |agent: &Agent, prefix: &str| -> Vec<Vec<u8>> {
        let tensors = agent.tensors().into_iter();
        tensors
            .filter(|t| t.0.starts_with(prefix) && t.0.ends_with("weight"))
            .map(|t| gpu().read_blocking(&t.3).unwrap())
            .collect()
    };
    let encoder = agent.eye().encoder().unwrap().parameters().whole();
    let weights: Vec<u8> = gpu().read_blocking(&encoder).unwrap();
    let before = ["actor.mlp", "critic.Q1", "critic_target.Q2"].map(|p| (p, bits(&agent, p)));
    agent.compile_updates(&replay, None).unwrap();
    agent.update(0).unwrap();
    for (prefix, before) in before {
        let after = bits(&agent, prefix);
        assert_eq!(after.len(), 3, "{prefix}");
        assert!(before.iter().zip(&after).all(|(a, b)| a != b), "{prefix}");
    }
    assert_eq!(gpu().read_blocking(&encoder).unwrap(), weights);
    let losses = agent.watched().unwrap();
    assert!(losses.iter().any(|(name, _)| name == "critic_loss"));
    assert!(losses.iter().all(|(_, value)| value.is_finite()));
}

/// On a stage an agent sees the embeddings of what each environment showed last.
#[test]
fn stacks_of_a_stage_are_those_of_its_environments() {
    let frozen = frozen(Inputs::Rgb, false);
    let eye = Eye::open(&gpu(), &frozen.config).unwrap();
    let options = EnvOptions {
        image_size: SIDE,
        count: 3,
        ..EnvOptions::new("native/reach")
    };
    let mut stage = Stage::new(&gpu(), &options, STACK, Some(&eye)).unwrap();
    stage.reset(4).unwrap();
    let embedding = |stage: &Stage, env: usize| {
        let bytes: Vec<u8> = gpu().read_blocking(&stage.frame(env)).unwrap();
        let pixels: Vec<f32> = bytes.into_iter().map(f32::from).collect();
        let tape = Tape::new();
        let image = tape.constant(&[1, 3, SIDE, SIDE], &pixels).unwrap();
        let encoder = eye.encoder().unwrap();
        read(&tape, &encoder.embedding(&tape, &[image]).unwrap())
    };
    let mut last: Vec<Vec<f32>> = (0..3).map(|env| embedding(&stage, env)).collect();
    for step in 0..3 {
        let mut answers = vec![Default::default(); 3];
        let actions = [0.9, -0.4, -0.7, 0.2, 0.1, 0.8];
        stage.step(&actions, &mut answers).unwrap();
        let tape = Tape::new();
        let slots = fixed_u32(&tape, &[3, STACK], &stage.stacks());
        let seen = read(
            &tape,
            &eye.see(&tape, &slots, stage.store(), Framing::Centre)
                .unwrap(),
        );
        for env in 0..3 {
            let now = embedding(&stage, env);
            let right = [&last[env][..], &now].concat();
            let got = &seen[env * 32..][..32];
            // The batch's size may choose another kernel.
            let near = got.iter().zip(&right).all(|(a, b)| (a - b).abs() <= 1e-5);
            assert!(near, "step {step}, environment {env}");
            assert!(
                now.iter()
                    .zip(&last[env])
                    .any(|(a, b)| (a - b).abs() > 1e-4)
            );
            last[env] = now;
        }
    }
}

/// Embeddings in several pages are found wherever they lie.
#[test]
fn embeddings_lie_in_pages() {
    let gpu: Gpu = gpu();
    let (width, capacity) = (8, 11);
    let store = LatentStore::with_page_limit(&gpu, capacity, width, 4 * 4 * width as u64).unwrap();
    assert_eq!(store.capacity(), capacity);
    assert_eq!(store.bytes(), (4 * capacity * width) as u64);
    for slot in 0..capacity {
        let row = vec![slot as f32; width];
        gpu.write(&store.slot(slot), bytemuck::cast_slice(&row))
            .unwrap();
    }
    let store = Observations::Latents(store);
    let tape = Tape::new();
    let slots = fixed_u32(&tape, &[3, 2], &[10, 0, 3, 4, 7, 8]);
    tape.output(
        "stacks",
        &store.stack(&tape, &slots, SIDE, Framing::Centre).unwrap(),
    );
    let program = tape.compile(&gpu).unwrap();
    program.poison().unwrap();
    program.run().unwrap();
    let expected: Vec<f32> = ([10, 0, 3, 4, 7, 8].iter())
        .flat_map(|&slot| vec![slot as f32; width])
        .collect();
    assert_eq!(program.read_blocking::<f32>("stacks").unwrap(), expected);
}

/// More embeddings than memory holds are refused with the number that it does.
#[test]
fn too_many_embeddings_are_refused() {
    let gpu: Gpu = gpu();
    let Some(free) = gpu.free_memory() else {
        skipped("nobody knows how much memory there is");
        return;
    };
    let most = free / 1024;
    let error = LatentStore::new(&gpu, 2 * most as usize, 256).unwrap_err();
    let GpuError::LatentsDoNotFit {
        fits, width: 256, ..
    } = error
    else {
        panic!("{error}");
    };
    assert!(fits > 0 && fits < 2 * most as usize, "{fits} of {most}");
    assert!(PretrainedEncoder::open(&gpu, Path::new("nowhere")).is_err());
}
