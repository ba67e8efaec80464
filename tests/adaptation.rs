//! PAD where it is deployed: an agent learns on from what it sees, without rewards, and is
//! afterwards what it was before.

mod common;

use std::collections::HashMap;

use common::gpu;
use foveate::agents::evaluate::{Actor, Stage, returns};
use foveate::agents::pad::{self, Adaptation};
use foveate::agents::{Agent, Framing, Observations};
use foveate::config::{AgentKind, Config, Preset};
use foveate::envs::{EnvOptions, Transition};
use foveate::ops::Stream;
use foveate::tape::Tape;
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

/// A store of four frames of noise, as large as they are drawn.
fn noise(agent: &Agent) -> Observations {
    let store = Observations::new(&gpu(), 4, agent.eye().observed()).unwrap();
    let mut rng = common::rng(8);
    for slot in 0..4 {
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

/// Parameters in float64 by name.
struct Reference(HashMap<String, Vec<f64>>);

impl Reference {
    fn of(agent: &Agent) -> Reference {
        let read = |(name, bytes): (String, Vec<u8>)| {
            let values: Vec<f32> = bytemuck::pod_collect_to_vec(&bytes);
            (name, values.into_iter().map(f64::from).collect())
        };
        Reference(state(agent).into_iter().map(read).collect())
    }

    fn get(&self, name: &str, part: &str) -> &[f64] {
        &self.0[&format!("{name}.{part}")]
    }

    /// A convolution by 3×3 of squares [channels, side, side], not padded.
    fn conv(&self, name: &str, x: &[f64], side: usize, stride: usize) -> (Vec<f64>, usize) {
        let (weight, bias) = (self.get(name, "weight"), self.get(name, "bias"));
        let (channels, out) = (x.len() / (side * side), (side - 3) / stride + 1);
        let at = |o: usize, i: usize, j: usize| {
            let taps = (0..channels * 9).map(|tap| {
                let (c, row, column) = (tap / 9, tap / 3 % 3, tap % 3);
                let pixel = (c * side + stride * i + row) * side + stride * j + column;
                weight[o * channels * 9 + tap] * x[pixel]
            });
            bias[o] + taps.sum::<f64>()
        };
        let places = 0..bias.len() * out * out;
        let y = places.map(|p| at(p / (out * out), p / out % out, p % out));
        (y.collect(), out)
    }

    fn linear(&self, name: &str, x: &[f64]) -> Vec<f64> {
        let (weight, bias) = (self.get(name, "weight"), self.get(name, "bias"));
        let rows = weight.chunks_exact(x.len()).zip(bias);
        rows.map(|(row, b)| b + row.iter().zip(x).map(|(w, x)| w * x).sum::<f64>())
            .collect()
    }

    /// What PAD's head makes of pixels in 0..255: shared convolution, its own, projection.
    fn state_of(&self, pixels: &[f64], side: usize) -> Vec<f64> {
        let unit: Vec<f64> = pixels.iter().map(|v| v / 255.0).collect();
        let (x, side) = self.conv("critic.encoder.shared_cnn.layers.2", &unit, side, 2);
        let x = relu(x);
        let (x, _) = self.conv("pad_head.encoder.head_cnn.layers.1", &x, side, 1);
        let projection = "pad_head.encoder.projection.projection";
        let x = self.linear(&format!("{projection}.0"), &x);
        let norm = format!("{projection}.1");
        let (gain, bias) = (self.get(&norm, "weight"), self.get(&norm, "bias"));
        let mean = x.iter().sum::<f64>() / x.len() as f64;
        let variance = x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / x.len() as f64;
        let scaled = x.iter().map(|v| (v - mean) / (variance + 1e-5).sqrt());
        let z = scaled
            .zip(gain)
            .zip(bias)
            .map(|((v, g), b)| (v * g + b).tanh());
        z.collect()
    }

    /// The action that it says lies between two observations.
    fn action(&self, now: &[f64], then: &[f64], side: usize) -> Vec<f64> {
        let z = [self.state_of(now, side), self.state_of(then, side)].concat();
        let x = relu(self.linear("pad_head.mlp.0", &z));
        let x = relu(self.linear("pad_head.mlp.2", &x));
        self.linear("pad_head.mlp.4", &x)
    }
}

fn relu(x: Vec<f64>) -> Vec<f64> {
    x.into_iter().map(|v| v.max(0.0)).collect()
}

/// The loss before a step is that of 32 pairs of crops, each at a random place of its own,
/// in float64: shared convolution, the head's, projection, perceptron, both observations.
///
/// Sabotages tried: the middle instead of crops, one draw for both observations, the ReLU
/// before the head left out, both observations in the other order. Each turns this red.
#[test]
fn the_loss_is_that_of_random_crops() {
    const COPIES: usize = 32;
    // The places of these streams in `Randomness`.
    const OBS: u32 = 14;
    const NEXT_OBS: u32 = 15;
    let config = config();
    let (side, drawn) = (config.image_size, config.rendered_size());
    let agent = Agent::new(&gpu(), &config, 2).unwrap();
    let store = noise(&agent);
    let reference = Reference::of(&agent);
    let frames: Vec<Vec<u8>> = (0..4)
        .map(|slot| gpu().read_blocking(&store.slot(slot)).unwrap())
        .collect();
    let crop = |slots: [u32; 2], row: u32, column: u32| -> Vec<f64> {
        let planes = slots
            .iter()
            .flat_map(|&s| frames[s as usize].chunks(drawn * drawn));
        let rows = planes.flat_map(|p| p.chunks(drawn).skip(row as usize).take(side));
        let pixels = rows.flat_map(|line| &line[column as usize..][..side]);
        pixels.map(|&v| f64::from(v)).collect()
    };
    let adaptation = Adaptation::new(&agent, &store).unwrap();
    let (now, then, action) = ([0, 1], [1, 2], [0.5, -0.25]);
    let mut losses = vec![];
    for step in 0..3 {
        adaptation.begin();
        let loss = adaptation.loss(&now, &then, &action).unwrap();
        let places = [OBS, NEXT_OBS].map(|stream| {
            let stream = Stream {
                seed: config.seed,
                stream,
            };
            let count = (drawn - side) as u32;
            stream.integers(step, 2 * COPIES, count).unwrap()
        });
        let errors = (0..COPIES).flat_map(|i| {
            let [s, next] = [(now, &places[0]), (then, &places[1])]
                .map(|(slots, places)| crop(slots, places[2 * i], places[2 * i + 1]));
            let predicted = reference.action(&s, &next, side);
            assert_eq!(predicted.len(), 2);
            predicted
                .into_iter()
                .zip(action)
                .map(|(p, a)| (p - f64::from(a)).powi(2))
        });
        let right = errors.sum::<f64>() / (2 * COPIES) as f64;
        assert!(
            (f64::from(loss) / right - 1.0).abs() < 1e-4,
            "{loss} {right}"
        );
        losses.push(loss);
    }
    assert!(
        losses[0] != losses[1] && losses[1] != losses[2],
        "{losses:?}"
    );
}

/// Two transitions that differ in what follows alone, and in the action: to tell them apart
/// takes s'.
#[test]
fn what_follows_tells_the_action() {
    let agent = Agent::new(&gpu(), &config(), 2).unwrap();
    let store = noise(&agent);
    let tape = Tape::new();
    let see = |slots: &[u32]| {
        let slots = common::fixed_u32(&tape, &[2, 2], slots);
        agent.see(&tape, &slots, &store, Framing::Centre).unwrap()
    };
    let (obs, next_obs) = (see(&[0, 1, 0, 1]), see(&[1, 2, 1, 3]));
    let action = tape.constant(&[2, 2], &[0.5, -0.25, -0.5, 0.75]).unwrap();
    let (sac, mut trace) = (agent.sac(&tape), vec![]);
    let loss = pad::dynamics_loss(&sac, [&obs, &next_obs], &action, &mut trace).unwrap();
    let learner = agent.learner();
    let optimiser = learner.auxiliary_of("pad", "inverse dynamics").unwrap();
    learner
        .auxiliary_step(&tape, optimiser, &loss, &mut trace)
        .unwrap();
    tape.output("loss", &loss);
    let program = tape.compile(&gpu()).unwrap();
    for _ in 0..400 {
        program.run().unwrap();
    }
    // Who does not see s' is right about the mean at best: 0.25.
    let loss: Vec<f32> = program.read_blocking("loss").unwrap();
    assert!(loss[0] < 0.01, "{loss:?}");
}

/// Whole episodes: the returns are those of adapting by hand, after each step, to what was
/// seen before it, done and seen after it, each episode from what was trained; they are
/// others than without, the same at every call, and the agent is as it was.
///
/// Sabotages tried: what is seen after the step in both places, an episode from where the
/// one before left the agent. Each turns this red.
#[test]
fn episodes_with_adaptation_are_those_played_by_hand() {
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
    let play = |actor: Actor| returns(&gpu(), &options, 2, &actor, 2).unwrap();
    let adapted = play(Actor::Adapting(&agent));
    assert_eq!(adapted, play(Actor::Adapting(&agent)));
    let mut stage = Stage::new(&gpu(), &options, 2, Some(agent.eye())).unwrap();
    let policy = agent.policy(stage.store(), 1).unwrap();
    let adaptation = Adaptation::new(&agent, stage.store()).unwrap();
    let by_hand = [0, 1].map(|episode| {
        stage.reset(episode).unwrap();
        adaptation.begin();
        let (mut sum, mut answer) = (0.0, [Transition::default()]);
        while !answer[0].truncated {
            let seen = stage.stacks();
            let action = policy.act(&seen, false).unwrap();
            stage.step(&action, &mut answer).unwrap();
            adaptation.step(&seen, &stage.stacks(), &action).unwrap();
            sum += answer[0].reward;
        }
        sum
    });
    drop(adaptation);
    assert_eq!(adapted, by_hand);
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
