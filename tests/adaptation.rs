//! PAD where it is deployed: an agent learns on from what it sees, without rewards, and is
//! afterwards what it was before.

mod common;

use common::gpu;
use foveate::agents::evaluate::{Actor, returns};
use foveate::agents::pad::Adaptation;
use foveate::agents::{Agent, Observations};
use foveate::config::{AgentKind, Config, Preset};
use foveate::envs::EnvOptions;
use rand::RngExt;

fn config() -> Config {
    Config {
        image_size: 16,
        frame_stack: 2,
        num_shared_layers: 1,
        num_head_layers: 1,
        num_filters: 4,
        hidden_dim: 16,
        projection_dim: 8,
        aux_lr: 3e-3,
        ..Config::new(AgentKind::Pad, "native/reach", Preset::Tiny)
    }
}

/// A store of three frames of noise, as large as they are drawn.
fn noise(agent: &Agent) -> Observations {
    let store = Observations::new(&gpu(), 3, agent.eye().observed()).unwrap();
    let mut rng = common::rng(8);
    for slot in 0..3 {
        let bytes: Vec<u8> = (0..store.shape().bytes()).map(|_| rng.random()).collect();
        gpu().write(&store.slot(slot), &bytes).unwrap();
    }
    store
}

/// Bytes of every tensor of an agent, by name.
fn state(agent: &Agent) -> Vec<(String, Vec<u8>)> {
    let read = |(name, _, _, range): (String, _, _, _)| {
        let bytes = gpu().read_blocking(&range).unwrap();
        (name, bytes)
    };
    agent.tensors().into_iter().map(read).collect()
}

/// Names of what differs.
fn moved(before: &[(String, Vec<u8>)], after: &[(String, Vec<u8>)]) -> Vec<String> {
    (before.iter().zip(after))
        .filter(|(b, a)| b.1 != a.1)
        .map(|(b, _)| b.0.clone())
        .collect()
}

/// Adapting moves shared convolutions and inverse dynamics alone: no optimiser of training,
/// no head of actor and critics, no target. Each episode begins as trained, with the same
/// moments; the end of it all, too.
///
/// Sabotages tried: the training's optimiser instead of one of its own, moments kept over
/// episodes, nothing restored at the end. Each turns this red.
#[test]
fn an_agent_adapts_to_an_episode_and_forgets_it() {
    let agent = Agent::new(&gpu(), &config(), 2).unwrap();
    let store = noise(&agent);
    let trained = state(&agent);
    let adaptation = Adaptation::new(&agent, &store).unwrap();
    assert!(moved(&trained, &state(&agent)).is_empty());
    let steps = |count: usize| {
        adaptation.begin();
        assert!(moved(&trained, &state(&agent)).is_empty());
        for _ in 0..count {
            adaptation.step(&[0, 1], &[1, 2], &[0.5, -0.25]).unwrap();
        }
        state(&agent)
    };
    let after = steps(1);
    let names = moved(&trained, &after);
    let theirs = ["critic.encoder.shared_cnn.", "pad_head."];
    assert!(
        names
            .iter()
            .all(|n| theirs.iter().any(|t| n.starts_with(t))),
        "{names:?}"
    );
    for name in [
        "critic.encoder.shared_cnn.layers.2.weight",
        "pad_head.mlp.4.weight",
    ] {
        assert!(names.iter().any(|n| n == name), "{names:?}");
    }
    // Adam's first step is as long as its rate, wherever there is a gradient: so it is only
    // where the moments began at zero.
    let rate = config().aux_lr as f32;
    for _ in 0..2 {
        steps(5);
        let after = steps(1);
        let place = |s: &[(String, Vec<u8>)]| -> Vec<f32> {
            let found = s.iter().find(|t| t.0 == "pad_head.mlp.4.bias").unwrap();
            bytemuck::pod_collect_to_vec(&found.1)
        };
        for (a, b) in place(&trained).into_iter().zip(place(&after)) {
            assert!(((a - b).abs() / rate - 1.0).abs() < 1e-3, "{a} {b}");
        }
    }
    drop(adaptation);
    assert!(moved(&trained, &state(&agent)).is_empty());
}

/// The error of the predicted action falls: what is adapted to is learned.
#[test]
fn what_is_seen_is_learned() {
    let agent = Agent::new(&gpu(), &config(), 2).unwrap();
    let store = noise(&agent);
    let adaptation = Adaptation::new(&agent, &store).unwrap();
    adaptation.begin();
    let mut errors = vec![];
    for _ in 0..60 {
        errors.push(adaptation.loss(&[0, 1], &[1, 2], &[0.5, -0.25]).unwrap());
    }
    let (first, last) = (errors[0], errors[59]);
    assert!(first > 0.01 && last < 0.2 * first, "{errors:?}");
}

/// Whole episodes: the returns are finite, others than without, the same at every call, and
/// the agent is as it was.
#[test]
fn episodes_with_adaptation_repeat_themselves() {
    let config = Config {
        aux_lr: 0.05,
        ..config()
    };
    let agent = Agent::new(&gpu(), &config, 2).unwrap();
    let trained = state(&agent);
    let options = EnvOptions {
        image_size: config.rendered_size(),
        action_repeat: Some(4),
        ..EnvOptions::new("native/reach")
    };
    let play = |actor: Actor| returns(&gpu(), &options, 2, &actor, 1).unwrap();
    let adapted = play(Actor::Adapting(&agent));
    assert!(adapted[0].is_finite());
    assert_eq!(adapted, play(Actor::Adapting(&agent)));
    assert_ne!(adapted, play(Actor::Agent(&agent)));
    assert!(moved(&trained, &state(&agent)).is_empty());
}

/// Others have nothing that could adapt.
#[test]
fn only_pad_adapts() {
    let config = Config {
        image_size: 16,
        num_shared_layers: 1,
        ..Config::new(AgentKind::Rad, "native/reach", Preset::Tiny)
    };
    let agent = Agent::new(&gpu(), &config, 2).unwrap();
    let store = Observations::new(&gpu(), 3, agent.eye().observed()).unwrap();
    let error = Adaptation::new(&agent, &store).unwrap_err();
    assert!(error.to_string().contains("inverse dynamics"), "{error}");
}
