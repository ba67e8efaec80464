//! Explanations of an agent, several observations at a time.

mod common;

use common::{computed, fixed_u32, gpu, rng};
use foveate::agents::Agent;
use foveate::agents::explain::{Explainer, Explanation};
use foveate::config::{AgentKind, Config, Preset};
use foveate::gpu::FrameStore;
use foveate::saliency::{Method, Occlusion, Rise};
use foveate::tape::{Tape, Tensor};
use rand::RngExt;

const SIDE: usize = 16;
const FRAMES: usize = 2;
/// Two stacks that have no frame in common.
const STACKS: [[u32; FRAMES]; 2] = [[3, 0], [1, 2]];

/// An agent, and a store of four frames of noise.
fn agent() -> (Agent, FrameStore) {
    let config = Config {
        image_size: SIDE,
        frame_stack: FRAMES,
        num_shared_layers: 2,
        num_filters: 4,
        hidden_dim: 16,
        projection_dim: 8,
        decoder_channels: [4, 4],
        ..Config::new(AgentKind::Sgqn, "native/reach", Preset::Tiny)
    };
    let agent = Agent::new(&gpu(), &config, 2).unwrap();
    let store = FrameStore::new(&gpu(), 4, agent.eye().frame()).unwrap();
    let mut rng = rng(3);
    for slot in 0..4 {
        let bytes: Vec<u8> = (0..store.frame_bytes()).map(|_| rng.random()).collect();
        gpu().write(&store.slot(slot), &bytes).unwrap();
    }
    (agent, store)
}

fn methods() -> [Method; 4] {
    [
        Method::Gradient,
        Method::Guided,
        Method::Occlusion(Occlusion {
            window: [5, 6],
            stride: [4, 3],
            ..Default::default()
        }),
        Method::Rise(Rise {
            masks: 150,
            ..Default::default()
        }),
    ]
}

/// The largest difference of two of equal length, as a part of the largest of the second.
fn difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    // `f32::max` passes over NaN.
    assert!(a.iter().chain(b).all(|v| v.is_finite()), "{a:?} {b:?}");
    let most = b.iter().fold(0.0f32, |most, v| most.max(v.abs()));
    let differences = a.iter().zip(b).map(|(a, b)| (a - b).abs());
    differences.fold(0.0, f32::max) / most
}

/// Each observation has the map that it has alone, wherever it is in a batch: kernels for
/// batches of two may add up in another order, but what belongs to another observation is
/// far from that.
///
/// Sabotages tried: black boxes asked about the first observation's pixels, or about its
/// action, for all; one NaN in a map. Each turns this red.
#[test]
fn observations_do_not_mix() {
    let (agent, store) = agent();
    for method in methods() {
        let explain = |stacks: &[[u32; FRAMES]]| -> Vec<Explanation> {
            let explainer = Explainer::of_stacks(&agent, &store, stacks.len(), &method).unwrap();
            explainer.explain_stacks(stacks.as_flattened()).unwrap()
        };
        let both = explain(&STACKS);
        for (i, together) in both.iter().enumerate() {
            let alone = explain(&STACKS[i..=i]).remove(0);
            let name = method.name();
            assert_eq!(together.obs, alone.obs, "{name}");
            for (what, a, b) in [
                ("action", &together.action, &alone.action),
                ("map", &together.map, &alone.map),
                ("q", &vec![together.q], &vec![alone.q]),
            ] {
                let far = difference(a, b);
                assert!(far < 1e-3, "{what} of {i} by {name}: {far}");
            }
        }
        let apart = difference(&both[0].map, &both[1].map);
        assert!(apart > 0.05, "{}: {apart}", method.name());
    }
}

/// A black box asks the first critic too, about the action that the agent takes: one window
/// over the whole stack takes away what lies between its value and that of the baseline.
///
/// Sabotages tried: the second critic's values, those of no action at all. Each turns this
/// red.
#[test]
fn black_boxes_ask_the_first_critic() {
    const BASELINE: f32 = 200.0;
    let (agent, store) = agent();
    let whole = Method::Occlusion(Occlusion {
        window: [SIDE; 2],
        stride: [1; 2],
        baseline: BASELINE,
        per_frame: false,
    });
    let explainer = Explainer::of_stacks(&agent, &store, 2, &whole).unwrap();
    let explained = explainer.explain_stacks(STACKS.as_flattened()).unwrap();
    let tape = Tape::new();
    let sac = agent.sac(&tape);
    let shape = [2, 3 * FRAMES, SIDE, SIDE];
    let features = sac.features(&tape.full(&shape, BASELINE)).unwrap();
    let actions: Vec<f32> = explained.iter().flat_map(|e| e.action.clone()).collect();
    let action = tape.constant(&[2, 2], &actions).unwrap();
    let [covered, _] = sac.q(&features, &action).unwrap();
    let covered = computed(&tape, &covered);
    for (e, covered) in explained.iter().zip(covered) {
        let right = e.q - covered;
        assert!(right.abs() > 1e-3, "{right}");
        assert_eq!(e.map.len(), 3 * FRAMES * SIDE * SIDE);
        for v in &e.map {
            assert!((v - right).abs() < 1e-3 * right.abs(), "{v} {right}");
        }
    }
}

/// Q is the first critic's, of the action that the agent takes.
///
/// Sabotage tried: the second critic's. Turns this red.
#[test]
fn q_is_the_first_critics() {
    let (agent, store) = agent();
    for method in methods() {
        let explainer = Explainer::of_stacks(&agent, &store, 2, &method).unwrap();
        let explained = explainer.explain_stacks(STACKS.as_flattened()).unwrap();
        let tape = Tape::new();
        let slots = fixed_u32(&tape, &[2, FRAMES], STACKS.as_flattened());
        let obs = slots.stack_frames(&store, None).unwrap();
        let action = tape.input("action", Tensor::f32(&[2, 2]));
        let sac = agent.sac(&tape);
        let [q1, q2] = sac.q(&sac.features(&obs).unwrap(), &action).unwrap();
        tape.output("q1", &q1);
        tape.output("q2", &q2);
        let program = tape.compile(&gpu()).unwrap();
        let actions: Vec<f32> = explained.iter().flat_map(|e| e.action.clone()).collect();
        program.write("action", &actions).unwrap();
        program.run().unwrap();
        let [q1, q2] = ["q1", "q2"].map(|name| program.read_blocking::<f32>(name).unwrap());
        for (i, e) in explained.iter().enumerate() {
            let name = method.name();
            assert!((e.q - q1[i]).abs() < 1e-5, "{name}: {} {}", e.q, q1[i]);
            assert!((e.q - q2[i]).abs() > 1e-3, "{name}: {} {}", e.q, q2[i]);
        }
    }
}
