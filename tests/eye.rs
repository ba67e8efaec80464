//! What agents see of frames: the inputs of a CNN (SPEC.md B.8), and the embeddings of a
//! frozen encoder, made once and kept.

mod common;

use std::path::Path;

use common::{fixed_u32, gpu, rng};
use foveate::agents::evaluate::{Actor, Stage, returns};
use foveate::agents::explain::Explainer;
use foveate::agents::{
    Agent, Eye, Framing, LatentStore, Observations, ObservedShape, Replay, ReplayShape, Retina,
    StoredTransition,
};
use foveate::config::{AgentKind, Config, EncoderKind, Inputs, LatentScale, Preset, SaliencyScale};
use foveate::envs::{EnvOptions, open};
use foveate::gpu::{FrameShape, FrameStore, Gpu, GpuError};
use foveate::nn::{MultiMae, MultiMaeShape, ParameterLayout};
use foveate::pretrained::{Architecture, PretrainedEncoder, save};
use foveate::saliency::Method;
use foveate::tape::{Tape, Tensor, Var};
use rand::RngExt;
use tempfile::TempDir;

const SIDE: usize = 16;
const STACK: usize = 2;
const SLOTS: usize = 5;

fn config(inputs: Inputs) -> Config {
    Config {
        inputs,
        image_size: SIDE,
        frame_stack: STACK,
        num_shared_layers: 2,
        ..Config::new(AgentKind::Sac, "native/reach", Preset::Tiny)
    }
}

fn read(tape: &Tape, y: &Var) -> Vec<f32> {
    tape.output("y", y);
    let program = tape.compile(&gpu()).unwrap();
    program.poison().unwrap();
    program.run().unwrap();
    program.read_blocking("y").unwrap()
}

/// A store of frames with saliency that hold random bytes, and those bytes.
fn frames() -> (FrameStore, Vec<u8>) {
    let shape = FrameShape::rgb_and_saliency(SIDE);
    let store = FrameStore::new(&gpu(), SLOTS, shape).unwrap();
    let mut rng = rng(3);
    let bytes: Vec<u8> = (0..SLOTS * shape.bytes()).map(|_| rng.random()).collect();
    for (slot, frame) in bytes.chunks(shape.bytes()).enumerate() {
        gpu().write(&store.slot(slot), frame).unwrap();
    }
    (store, bytes)
}

/// Every choice of inputs and scale against the bytes.
#[test]
fn a_cnn_sees_what_its_inputs_say() {
    let (store, bytes) = frames();
    let store = Observations::Pixels(store);
    let (plane, slots) = (SIDE * SIDE, [4u32, 0, 2, 2, 1, 3]);
    for inputs in [Inputs::Saliency, Inputs::RgbTimesSaliency, Inputs::Rgbs] {
        for scale in [SaliencyScale::Scaled, SaliencyScale::Faithful] {
            let config = Config {
                saliency_scale: scale,
                ..config(inputs)
            };
            let eye = Eye::cnn(&config);
            let tape = Tape::new();
            let index = fixed_u32(&tape, &[3, STACK], &slots);
            let seen = eye.see(&tape, &index, &store, Framing::Centre).unwrap();
            let planes = if inputs == Inputs::Rgbs { 4 } else { 3 };
            assert_eq!(seen.shape(), [3, planes * STACK, SIDE, SIDE]);
            assert_eq!(eye.planes(), planes);
            let got = read(&tape, &seen);
            for (i, &value) in got.iter().enumerate() {
                let (frame, within) = (i / (planes * plane), i % (planes * plane));
                let bytes = &bytes[slots[frame] as usize * 4 * plane..][..4 * plane];
                let (channel, pixel) = (within / plane, within % plane);
                let rgb = f64::from(bytes[within.min(3 * plane - 1)]);
                let saliency = f64::from(bytes[3 * plane + pixel]);
                let shown = match scale {
                    SaliencyScale::Scaled => saliency,
                    SaliencyScale::Faithful => saliency / 255.0,
                };
                let right = match (inputs, channel) {
                    (Inputs::Saliency, _) | (Inputs::Rgbs, 3) => shown,
                    (Inputs::RgbTimesSaliency, _) => rgb * saliency / 255.0,
                    _ => rgb,
                };
                let error = (f64::from(value) - right).abs();
                assert!(
                    error <= 1e-5 * right.max(1.0),
                    "{inputs} {scale} {i}: {value} {right}"
                );
            }
            // A picture shows the first three planes of a frame.
            let tape = Tape::new();
            let index = fixed_u32(&tape, &[3, STACK], &slots);
            let seen = eye.see(&tape, &index, &store, Framing::Centre).unwrap();
            let rgb = read(&tape, &eye.rgb(&seen).unwrap());
            let firsts = got.chunks(planes * plane).flat_map(|f| &f[..3 * plane]);
            assert!(rgb.iter().eq(firsts), "{inputs}");
        }
    }
}

/// Of larger frames the middle is seen, a shifted middle, or the window at a place:
/// saliency like the colours beside it.
#[test]
fn of_larger_frames_a_part_is_seen() {
    const SEEN: usize = 8;
    let (store, bytes) = frames();
    let store = Observations::Pixels(store);
    let slots = [4u32, 0, 2, 2];
    let config = Config {
        image_size: SEEN,
        render_size: Some(SIDE),
        ..config(Inputs::Rgbs)
    };
    let eye = Eye::cnn(&config);
    assert_eq!(eye.frame().side, SIDE);
    // Offsets of two stacks, and the (row, column) at which each is seen.
    let places = [[0, 0, 8, 3], [4, 1, 7, 8], [5, 2, 0, 6]];
    for (way, offsets) in ["centre", "crop", "shift"].into_iter().zip(places) {
        let tape = Tape::new();
        let index = fixed_u32(&tape, &[2, STACK], &slots);
        let of_stacks = fixed_u32(&tape, &[2, 2], &offsets);
        let framing = match way {
            "centre" => Framing::Centre,
            "crop" => Framing::Crop(&of_stacks),
            _ => Framing::Shift(&of_stacks, 4),
        };
        let seen = eye.see(&tape, &index, &store, framing).unwrap();
        let planes = eye.planes();
        assert_eq!(seen.shape(), [2, planes * STACK, SEEN, SEEN]);
        let got = read(&tape, &seen);
        for (i, &value) in got.iter().enumerate() {
            let (plane, pixel) = (i / (SEEN * SEEN), i % (SEEN * SEEN));
            let (frame, channel) = (plane / planes, plane % planes);
            let own = &offsets[2 * (frame / STACK)..];
            let (top, left) = match way {
                "centre" => (4, 4),
                "crop" => (own[0] as usize, own[1] as usize),
                // A shift is (x, y), and 4 is none: the middle begins at 4.
                _ => (own[1] as usize, own[0] as usize),
            };
            let (row, column) = (top + pixel / SEEN, left + pixel % SEEN);
            let place = slots[frame] as usize * 4 + channel;
            let right = bytes[(place * SIDE + row) * SIDE + column];
            assert_eq!(value, f32::from(right), "{way} {i}");
        }
    }
}

/// A small MultiMAE with random weights, in a file.
fn weights(folder: &Path, saliency: bool) -> std::path::PathBuf {
    let mut shape = MultiMaeShape {
        height: SIDE,
        width: SIDE,
        patch: 4,
        dim: 16,
        depth: 1,
        heads: 2,
        tasks: vec![],
        ..MultiMaeShape::visarl()
    };
    shape.modalities.truncate(1 + saliency as usize);
    let mut layout = ParameterLayout::default();
    MultiMae::push_encoder(&mut layout, &shape);
    let parameters = layout.allocate(&gpu(), "encoder", 5).unwrap();
    let path = folder.join(if saliency {
        "both.safetensors"
    } else {
        "rgb.safetensors"
    });
    save(&gpu(), &path, &Architecture::MultiMae(shape), &parameters).unwrap();
    path
}

struct Frozen {
    config: Config,
    _folder: TempDir,
}

fn frozen(inputs: Inputs, saliency: bool) -> Frozen {
    let folder = tempfile::tempdir().unwrap();
    let path = weights(folder.path(), saliency);
    let encoder = format!("multimae:{}", path.display());
    Frozen {
        config: Config {
            encoder: EncoderKind::try_from(encoder).unwrap(),
            batch: 4,
            hidden_dim: 8,
            ..config(inputs)
        },
        _folder: folder,
    }
}

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

/// With a shared encoder only the critics' loss moves CNN and projection, and only the
/// critics' heads have targets (SPEC.md B.8).
#[test]
fn a_shared_encoder_is_the_critics() {
    let config = Config {
        shared_encoder: true,
        critic_lr: 0.0,
        batch: 4,
        num_filters: 4,
        projection_dim: 6,
        hidden_dim: 8,
        ..config(Inputs::Rgb)
    };
    config.validate().unwrap();
    let names =
        |agent: &Agent| -> Vec<String> { agent.tensors().into_iter().map(|t| t.0).collect() };
    let bits = |agent: &Agent, name: &str| -> Vec<u8> {
        let tensor = agent.tensors().into_iter().find(|t| t.0 == name).unwrap();
        gpu().read_blocking(&tensor.3).unwrap()
    };
    let moved = |config: &Config, name: &str| {
        let mut agent = Agent::new(&gpu(), config, 2).unwrap();
        let replay = filled(config);
        agent.compile_updates(&replay, None).unwrap();
        let before = bits(&agent, name);
        agent.update(0).unwrap();
        before != bits(&agent, name)
    };
    let agent = Agent::new(&gpu(), &config, 2).unwrap();
    assert!(!names(&agent).iter().any(|n| n.starts_with("actor.encoder")));
    assert!(
        !names(&agent)
            .iter()
            .any(|n| n.starts_with("critic_target.encoder"))
    );
    let projection = "critic.encoder.projection.projection.0.weight";
    let convolution = "critic.encoder.shared_cnn.layers.2.weight";
    assert!(moved(&config, "actor.mlp.0.weight"));
    assert!(!moved(&config, projection) && !moved(&config, convolution));
    let learning = Config {
        critic_lr: 1e-3,
        ..config.clone()
    };
    assert!(moved(&learning, projection) && moved(&learning, convolution));
    // The heads' targets follow the heads.
    assert!(moved(&learning, "critic_target.Q1.trunk.0.weight"));
}

/// A replay of random frames, one episode.
fn filled(config: &Config) -> Replay {
    let shape = ReplayShape {
        capacity: 20,
        frame_stack: STACK,
        action_dim: 2,
        observed: ObservedShape::rgb(SIDE),
        episode_steps: 10,
    };
    let mut replay = Replay::new(&gpu(), shape).unwrap();
    let mut rng = rng(config.seed);
    for _ in 0..STACK + 8 {
        let frame = replay.next_frame().unwrap();
        let bytes: Vec<u8> = (0..3 * SIDE * SIDE).map(|_| rng.random()).collect();
        replay.write_frame(frame, &bytes).unwrap();
    }
    for step in 0..8u64 {
        replay.push(&transition(step)).unwrap();
    }
    replay
}

fn transition(step: u64) -> StoredTransition {
    StoredTransition {
        frames: (step..=step + STACK as u64).collect(),
        reward: 0.5,
        terminated: false,
        action: vec![0.1, -0.2],
    }
}

/// Agents of every kind of eye play whole episodes, in worlds side by side.
#[test]
fn every_eye_can_be_evaluated() {
    let cnn = [Inputs::Saliency, Inputs::RgbTimesSaliency, Inputs::Rgbs].map(config);
    let frozen = [
        frozen(Inputs::Rgb, true),
        frozen(Inputs::RgbAndSaliency, true),
    ];
    for config in cnn.iter().chain(frozen.iter().map(|f| &f.config)) {
        let agent = Agent::new(&gpu(), config, 2).unwrap();
        let options = EnvOptions {
            image_size: SIDE,
            action_repeat: Some(25),
            ..EnvOptions::new("native/reach")
        };
        let played = returns(&gpu(), &options, STACK, &Actor::Agent(&agent), 3).unwrap();
        assert_eq!(played.len(), 3);
        assert!(
            played.iter().all(|r| r.is_finite() && *r >= 0.0),
            "{played:?}"
        );
        let again = returns(&gpu(), &options, STACK, &Actor::Agent(&agent), 3).unwrap();
        assert_eq!(played, again);
    }
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

#[test]
fn what_does_not_go_together_is_named() {
    let open = |config: &Config| Eye::open(&gpu(), config).unwrap_err().to_string();
    let fits = frozen(Inputs::Rgb, false);
    // A MultiMAE takes images of any size that its patches divide.
    let other_size = |image_size| Config {
        image_size,
        ..fits.config.clone()
    };
    let message = open(&other_size(18));
    assert!(message.contains("18") && message.contains('4'), "{message}");
    let eye = Eye::open(&gpu(), &other_size(32)).unwrap();
    assert_eq!(eye.frame(), FrameShape::rgb(32));
    let heads = Config {
        encoder_heads: Some(3),
        ..fits.config.clone()
    };
    let message = open(&heads);
    assert!(message.contains("heads"), "{message}");
    let no_saliency = Config {
        inputs: Inputs::RgbAndSaliency,
        ..fits.config.clone()
    };
    let message = open(&no_saliency);
    assert!(message.contains("without saliency"), "{message}");
    let path = fits.config.encoder.weights().unwrap().display().to_string();
    let other_kind = Config {
        encoder: EncoderKind::try_from(format!("mae:{path}")).unwrap(),
        ..fits.config.clone()
    };
    let message = open(&other_kind);
    assert!(message.contains("multimae:"), "{message}");

    for (change, key) in [
        (
            &(|c: &mut Config| c.inputs = Inputs::Rgbs) as &dyn Fn(&mut Config),
            "inputs",
        ),
        (&|c| c.agent = AgentKind::Sgqn, "agent"),
        (&|c| c.random_shift = true, "random_shift"),
    ] {
        let mut config = fits.config.clone();
        change(&mut config);
        let message = config.validate().unwrap_err().to_string();
        assert!(message.contains(key), "{message}");
    }
    for inputs in [Inputs::RgbAndSaliency, Inputs::Rgbs] {
        let mut config = config(inputs);
        if inputs == Inputs::Rgbs {
            config.agent = AgentKind::Sgqn;
        }
        assert!(config.validate().is_err(), "{inputs}");
    }
    let ablation = Config {
        consistency: 0.5,
        ..Config::new(AgentKind::SacSelfSupervision, "native/reach", Preset::Tiny)
    };
    let message = ablation.validate().unwrap_err().to_string();
    assert!(message.contains("consistency"), "{message}");
    for wrong in ["resnet", "multimae", "multimae:", "cnn:x", ""] {
        let error = EncoderKind::try_from(wrong.to_string()).unwrap_err();
        assert!(error.to_string().contains("multimae:PATH"), "{error}");
    }
}

/// The plain gradient goes through a frozen encoder to the pixels: along the signs of its
/// map, Q1 of the same action rises as the map says. What is about convolutions is refused.
#[test]
fn gradients_go_through_a_frozen_encoder_to_explain() {
    for inputs in [Inputs::Rgb, Inputs::RgbAndSaliency] {
        let frozen = frozen(inputs, true);
        let agent = Agent::new(&gpu(), &frozen.config, 2).unwrap();
        let explainer = Explainer::of_pixels(&agent, 2, &Method::Gradient).unwrap();
        let planes = agent.eye().frame().planes;
        let (area, stack) = (SIDE * SIDE, planes * STACK * SIDE * SIDE);
        let mut rng = rng(6);
        let pixels: Vec<f32> = (0..2 * stack)
            .map(|_| rng.random_range(20.0..230.0))
            .collect();
        let explained = explainer.explain_pixels(&pixels).unwrap();

        let tape = Tape::new();
        let shape = [2, planes * STACK, SIDE, SIDE];
        let input = tape.input("pixels", Tensor::f32(&shape));
        let actions: Vec<f32> = explained.iter().flat_map(|e| e.action.clone()).collect();
        let action = tape.constant(&[2, 2], &actions).unwrap();
        let features = agent.look(&tape, &input).unwrap();
        let [q, _] = agent.sac(&tape).q(&features, &action).unwrap();
        tape.output("q", &q);
        let program = tape.compile(&gpu()).unwrap();
        let value = |pixels: &[f32]| -> Vec<f32> {
            program.write("pixels", pixels).unwrap();
            program.run().unwrap();
            program.read_blocking("q").unwrap()
        };
        // The maps are of colours: saliency stays as it is.
        let moved = |by: f32| {
            let mut pixels = pixels.clone();
            for (e, stack) in explained.iter().zip(pixels.chunks_exact_mut(stack)) {
                let frames = stack.chunks_exact_mut(planes * area);
                for (frame, map) in frames.zip(e.map.chunks_exact(3 * area)) {
                    for (pixel, slope) in frame.iter_mut().zip(map) {
                        *pixel += by * slope.signum();
                    }
                }
            }
            value(&pixels)
        };
        const STEP: f32 = 0.05;
        let (up, down, here) = (moved(STEP), moved(-STEP), value(&pixels));
        for (i, e) in explained.iter().enumerate() {
            assert!((here[i] - e.q).abs() < 1e-5, "{} {}", here[i], e.q);
            let slope: f64 = e.map.iter().map(|v| f64::from(v.abs())).sum();
            let measured = f64::from(up[i] - down[i]) / f64::from(2.0 * STEP);
            assert!(slope > 1e-3, "{inputs}: {slope}");
            assert!(
                (measured / slope - 1.0).abs() < 0.02,
                "{inputs}: {measured} {slope}"
            );
        }
        for method in [Method::Guided, Method::GuidedGradCam] {
            let error = Explainer::of_pixels(&agent, 1, &method)
                .unwrap_err()
                .to_string();
            assert!(
                error.contains(method.name()) && error.contains("convolutions"),
                "{error}"
            );
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
        println!("skipped: nobody knows how much memory there is");
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
