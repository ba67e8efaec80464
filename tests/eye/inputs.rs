//! The inputs of a CNN (SPEC.md B.8), and what goes together.

use foveate::agents::evaluate::{Actor, returns};
use foveate::agents::{Agent, Eye, Framing, Observations, ObservedShape, Replay, ReplayShape};
use foveate::config::{AgentKind, Config, EncoderKind, Inputs, Preset, SaliencyScale};
use foveate::envs::EnvOptions;
use foveate::gpu::{FrameShape, FrameStore};
use foveate::tape::Tape;
use rand::RngExt;

use crate::common::{fixed_u32, gpu, rng};
use crate::{SIDE, SLOTS, STACK, config, frozen, read, transition};

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
