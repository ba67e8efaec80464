//! DQN and SGQN on it: choices on the device, targets and losses against float64 references
//! written out here, and exploration that only seed and step decide.

mod common;

use std::collections::HashMap;

use common::*;
use foveate::agents::dqn::{huber, of_action};
use foveate::agents::sac::{Batch, Trace, Turn};
use foveate::agents::sgqn::{SgqnBatch, SgqnOptions};
use foveate::agents::{Agent, Choices, greedy, one_hot, sgqn_dqn};
use foveate::config::{AgentKind, Config, Preset};
use foveate::envs::ActionSpace;
use foveate::gpu::{FrameShape, FrameStore};
use foveate::saliency::{QuantileMask, attribution};
use foveate::tape::{Gradient, Tape, Var};
use rand::RngExt;

const SIDE: usize = 12;
const BATCH: usize = 17;
const DISCOUNT: f64 = 0.9;
const TURN: Turn = Turn {
    actor: false,
    targets: true,
    auxiliary: true,
};

fn config(agent: AgentKind) -> Config {
    Config {
        seed: 3,
        image_size: SIDE,
        frame_stack: 2,
        num_shared_layers: 2,
        num_filters: 4,
        projection_dim: 6,
        hidden_dim: 16,
        decoder_channels: [4, 4],
        batch: BATCH,
        discount: DISCOUNT,
        ..Config::new(agent, "native/reach", Preset::Tiny)
    }
}

/// The first of the largest.
fn argmax(row: &[f32]) -> usize {
    let largest = row.iter().copied().fold(f32::MIN, f32::max);
    row.iter().position(|v| *v == largest).unwrap()
}

/// Of several largest the first is chosen; rows of one value alone, of large and of small
/// numbers, and of more than a workgroup reduces in one invocation.
#[test]
fn the_first_of_the_largest_is_chosen() {
    for count in [1, 2, 9, 18, 81, 200] {
        let mut rng = rng(count as u64);
        let rows: Vec<Vec<f32>> = (0..40)
            .map(|row| {
                let scale = [1.0, 1e-20, 1e20][row % 3];
                // Few different values: ties in nearly every row.
                let value = |_| scale * (rng.random_range(0..4) as f32 - 2.0);
                (0..count).map(value).collect()
            })
            .chain([vec![0.0; count], vec![-3.5; count]])
            .collect();
        let tape = Tape::new();
        let values = tape.constant(&[rows.len(), count], &rows.concat()).unwrap();
        let number = greedy(&values).unwrap();
        tape.output("hot", &one_hot(&number, count).unwrap());
        let numbers = computed(&tape, &number);
        for (row, number) in rows.iter().zip(&numbers) {
            assert_eq!(*number, argmax(row) as f32, "{row:?}");
        }
        let hot = computed(&tape, &one_hot(&number, count).unwrap());
        for (row, number) in hot.chunks_exact(count).zip(&numbers) {
            let expected: Vec<f32> = (0..count).map(|i| f32::from(i as f32 == *number)).collect();
            assert_eq!(row, expected);
        }
    }
}

/// On the device a number is the action that it is on the host, and back.
#[test]
fn numbers_and_actions_are_the_same_on_the_device() {
    for space in [
        ActionSpace::Continuous(1),
        ActionSpace::Continuous(2),
        ActionSpace::Continuous(4),
        ActionSpace::Discrete(1),
        ActionSpace::Discrete(18),
    ] {
        let choices = Choices::of(space).unwrap();
        let count = choices.count();
        let actions: Vec<f32> = (0..count).flat_map(|i| choices.action(i)).collect();
        let tape = Tape::new();
        let numbers: Vec<f32> = (0..count).map(|i| i as f32).collect();
        let number = tape.constant(&[count, 1], &numbers).unwrap();
        assert_eq!(
            computed(&tape, &choices.action_of(&number).unwrap()),
            actions
        );
        let action = tape.constant(&[count, space.dim()], &actions).unwrap();
        let hot = computed(&tape, &choices.one_hot(&action).unwrap());
        let identity = |at: usize| f32::from(at / count == at % count);
        assert_eq!(hot, (0..count * count).map(identity).collect::<Vec<f32>>());
    }
}

fn huber_of(error: f64) -> f64 {
    match error.abs() {
        small if small <= 1.0 => 0.5 * small * small,
        large => large - 0.5,
    }
}

/// Errors below and beyond 1, against finite differences; and the gradient of Q(s, ·) is the
/// clipped error where the action was taken, and 0 elsewhere.
#[test]
fn the_loss_is_huber_of_the_action_taken() {
    let mut rng = rng(5);
    let (rows, count) = (23, 5);
    let values = random_in(&mut rng, &[rows, count], -3.0, 3.0);
    let y = random_in(&mut rng, &[rows, 1], -3.0, 3.0);
    let taken: Vec<usize> = (0..rows).map(|_| rng.random_range(0..count)).collect();
    let hot: Vec<f32> = (taken.iter())
        .flat_map(|&a| (0..count).map(move |i| f32::from(i == a)))
        .collect();
    let record = |tape: &Tape, v: &[Var]| {
        let hot = tape.constant(&[rows, count], &hot)?;
        huber(&of_action(&v[0], &hot)?, &v[1])
    };
    let errors = |v: &[Array]| -> Vec<f64> {
        (0..rows)
            .map(|b| v[0].at(&[b, taken[b]]) - v[1].data[b])
            .collect()
    };
    let reference = |v: &[Array]| {
        let sum: f64 = errors(v).into_iter().map(huber_of).sum();
        Array::new(&[1], vec![sum / rows as f64])
    };
    let inputs = vec![values, y];
    assert!(errors(&inputs).iter().any(|e| e.abs() > 1.5));
    assert!(errors(&inputs).iter().any(|e| e.abs() < 0.5));
    Check::new("huber", inputs.clone()).run(record, reference);

    let tape = Tape::new();
    let vars = [0, 1].map(|i| tape.constant(&inputs[i].shape, &inputs[i].f32()).unwrap());
    let loss = record(&tape, &vars).unwrap();
    let gradients = tape.gradients(&loss, &vars[..1], Gradient::True).unwrap();
    let got = computed(&tape, gradients[0].as_ref().unwrap());
    let mut expected = vec![0.0; rows * count];
    for (b, error) in errors(&inputs).into_iter().enumerate() {
        expected[b * count + taken[b]] = error.clamp(-1.0, 1.0) / rows as f64;
    }
    assert_close("gradient of Q", &got, &expected, 1e-5);
}

/// An error of exactly 0 and of exactly ±1 has the gradient that its neighbours have.
#[test]
fn where_the_loss_bends_it_has_a_gradient() {
    let tape = Tape::new();
    let q = tape.constant(&[3, 1], &[2.0, 3.0, 1.0]).unwrap();
    let y = tape.constant(&[3, 1], &[2.0, 2.0, 2.0]).unwrap();
    let loss = huber(&q, &y).unwrap();
    let gradients = tape.gradients(&loss, &[q], Gradient::True).unwrap();
    let got = computed(&tape, gradients[0].as_ref().unwrap());
    assert_close("gradient", &got, &[0.0, 1.0 / 3.0, -1.0 / 3.0], 1e-6);
}

/// What an update computed, by name.
struct Update(HashMap<String, Vec<f32>>);

impl Update {
    fn run(tape: &Tape, trace: Trace) -> Update {
        for (name, var) in &trace {
            tape.output(name, var);
        }
        let program = tape.compile(&gpu()).unwrap();
        program.poison().unwrap();
        program.run().unwrap();
        let read = |(name, _): (String, Var)| {
            let values = program.read_blocking(&name).unwrap();
            (name, values)
        };
        Update(trace.into_iter().map(read).collect())
    }

    fn get(&self, name: &str) -> &[f32] {
        self.0.get(name).unwrap_or_else(|| panic!("no {name}"))
    }
}

/// A batch of noise with ends in it, rewards of ±2, and the numbers of its actions.
fn batch(tape: &Tape, agent: &Agent) -> (Batch, Vec<f64>, Vec<f64>, Vec<usize>) {
    let mut rng = rng(8);
    let count = agent.choices().unwrap().count();
    let mut pixels = || {
        let data: Vec<f32> = (0..BATCH * 6 * SIDE * SIDE)
            .map(|_| rng.random_range(0..=255) as f32)
            .collect();
        tape.constant(&[BATCH, 6, SIDE, SIDE], &data).unwrap()
    };
    let (obs, next_obs) = (pixels(), pixels());
    let reward = random_in(&mut rng, &[BATCH, 1], -2.0, 2.0);
    let not_done: Vec<f64> = (0..BATCH).map(|b| f64::from(b % 4 != 1)).collect();
    let taken: Vec<usize> = (0..BATCH).map(|_| rng.random_range(0..count)).collect();
    let numbers: Vec<f32> = taken.iter().map(|&n| n as f32).collect();
    let column = |data: &[f32]| tape.constant(&[BATCH, 1], data).unwrap();
    let batch = Batch {
        obs,
        next_obs,
        action: one_hot(&column(&numbers), count).unwrap(),
        reward: column(&reward.f32()),
        not_done: column(&not_done.iter().map(|v| *v as f32).collect::<Vec<_>>()),
        next_noise: tape.full(&[BATCH, count], 0.0),
        actor_noise: tape.full(&[BATCH, count], 0.0),
    };
    (batch, reward.data, not_done, taken)
}

/// An agent whose target network is not its online one. Kernels have more than the one tap
/// that they begin with, so that values depend on every pixel.
fn agent(config: &Config, space: ActionSpace) -> Agent {
    let agent = Agent::new(&gpu(), config, space).unwrap();
    let mut rng = rng(6);
    for (name, shape, _, range) in agent.tensors() {
        if name.starts_with("critic_target.") || name.starts_with("critic.") {
            let len = shape.iter().product();
            let values: Vec<f32> = (0..len).map(|_| rng.random_range(-0.5..0.7)).collect();
            gpu().write(&range, bytemuck::cast_slice(&values)).unwrap();
        }
    }
    agent
}

/// The target is r + γ (1 − d) Q̄(s', a'), where a' is the online network's choice, or the
/// target's own without `double_q`; the loss, and the gradient of Q(s, ·) as it reaches the
/// bias behind it, follow from it.
#[test]
fn targets_and_losses_are_those_of_the_papers() {
    for space in [ActionSpace::Continuous(2), ActionSpace::Discrete(6)] {
        let mut chosen = vec![];
        for double_q in [true, false] {
            let config = Config {
                double_q,
                ..config(AgentKind::Dqn)
            };
            let agent = agent(&config, space);
            let (tape, count) = (Tape::new(), agent.choices().unwrap().count());
            let (batch, reward, not_done, taken) = batch(&tape, &agent);
            let dqn = agent.dqn(&tape);
            let trace = dqn.update(&batch, TURN).unwrap();
            let asked = trace.iter().any(|(name, _)| name == "out.next_q");
            assert_eq!(asked, double_q);
            let update = Update::run(&tape, trace);
            let row = |name: &str, b: usize| update.get(name)[b * count..][..count].to_vec();
            let mut expected_y = vec![];
            let (mut loss, mut bias) = (0.0, vec![0.0; count]);
            for b in 0..BATCH {
                let target = row("out.target_q", b);
                let best = match double_q {
                    true => argmax(&row("out.next_q", b)),
                    false => argmax(&target),
                };
                chosen.push(best);
                assert_eq!(update.get("out.next_action")[b], best as f32);
                let y = reward[b] + DISCOUNT * not_done[b] * f64::from(target[best]);
                let error = f64::from(row("out.q", b)[taken[b]]) - y;
                loss += huber_of(error) / BATCH as f64;
                bias[taken[b]] += error.clamp(-1.0, 1.0) / BATCH as f64;
                expected_y.push(y);
            }
            assert_close("y", update.get("out.y"), &expected_y, 1e-6);
            assert_close("loss", update.get("loss.critic"), &[loss], 1e-5);
            let got = update.get("grad.critic_step.critic.Q.trunk.4.bias");
            assert_close("gradient of the bias", got, &bias, 1e-5);
        }
        // The two choose differently somewhere, or this test could not tell them apart.
        assert_ne!(chosen[..BATCH], chosen[BATCH..]);
    }
}

/// Where the critic looks, of the batch and of the actions taken in it, before and after its
/// step.
fn looked(config: &Config, stepped: bool) -> Vec<f32> {
    let agent = agent(config, ActionSpace::Discrete(6));
    if stepped {
        let tape = Tape::new();
        let (input, _) = saliency_batch(&tape, &agent);
        let turn = Turn {
            auxiliary: false,
            ..TURN
        };
        let trace = sgqn_dqn::update(&agent.dqn(&tape), &input, turn, options(LAMBDA)).unwrap();
        Update::run(&tape, trace);
    }
    let tape = Tape::new();
    let (input, _) = saliency_batch(&tape, &agent);
    let (dqn, batch) = (agent.dqn(&tape), &input.batch);
    let values = dqn.q(&dqn.features(&batch.obs).unwrap()).unwrap();
    let q = of_action(&values, &batch.action).unwrap();
    let map = attribution(&tape, &q, &batch.obs, Gradient::Guided).unwrap();
    let mask = QuantileMask::record(&map, 2, 0.9).unwrap().mask;
    computed(&tape, &mask)
}

const LAMBDA: f32 = 0.3;

fn options(consistency: f32) -> SgqnOptions {
    SgqnOptions {
        rho: 0.9,
        consistency,
    }
}

/// The batch, nothing laid over it, a grey, and the numbers of its actions.
fn saliency_batch(tape: &Tape, agent: &Agent) -> (SgqnBatch, Vec<usize>) {
    let (batch, _, _, taken) = batch(tape, agent);
    let input = SgqnBatch {
        augmented: batch.obs.clone(),
        fill: tape.full(&[1], 90.0),
        batch,
    };
    (input, taken)
}

/// SGQN's term is that of the action taken, weighted by λ; its auxiliary phase predicts the
/// mask of that action's value.
///
/// Sabotages tried: another quantile (0.95), the auxiliary phase given the mask from before
/// the step, that of the true gradient, or its complement. Each turns this red.
#[test]
fn saliency_guides_the_value_of_the_action_taken() {
    let config = Config {
        // After such a step the critic looks elsewhere.
        critic_lr: 0.1,
        ..config(AgentKind::SgqnDqn)
    };
    let agent = agent(&config, ActionSpace::Discrete(6));
    let record = |lambda: f32| {
        let tape = Tape::new();
        let (input, taken) = saliency_batch(&tape, &agent);
        let trace = sgqn_dqn::update(&agent.dqn(&tape), &input, TURN, options(lambda)).unwrap();
        (tape, trace, taken)
    };
    let (_, without, _) = record(0.0);
    assert!(!without.iter().any(|(name, _)| name == "loss.consistency"));
    assert!(without.iter().any(|(name, _)| name == "loss.aux"));
    let (tape, trace, taken) = record(LAMBDA);
    let update = Update::run(&tape, trace);
    let q = |b: usize| f64::from(update.get("out.q")[b * 6 + taken[b]]);
    let masked = update.get("out.masked_q");
    let errors: Vec<f64> = (0..BATCH).map(|b| q(b) - f64::from(masked[b])).collect();
    assert!(errors.iter().any(|e| e.abs() > 1e-3), "{errors:?}");
    let consistency: f64 = errors.iter().map(|&e| huber_of(e)).sum::<f64>() / BATCH as f64;
    assert_close(
        "consistency",
        update.get("loss.consistency"),
        &[consistency],
        1e-5,
    );
    let whole = f64::from(update.get("loss.td")[0]) + f64::from(LAMBDA) * consistency;
    assert_close("loss", update.get("loss.critic"), &[whole], 1e-5);
    // Of 144 pixels of a frame those are kept that reach the quantile ρ = 0.9, between the
    // 129th and the 130th smallest.
    for frame in update.get("out.mask").chunks_exact(SIDE * SIDE) {
        assert_eq!(frame.iter().sum::<f32>(), 15.0);
    }
    // The auxiliary phase predicts where the critic looks after its step.
    let [before, after] = [false, true].map(|stepped| looked(&config, stepped));
    assert_eq!(before, update.get("out.mask"));
    let logits = update.get("out.aux_logits");
    let cross_entropy = |mask: &[f32]| {
        assert_eq!(logits.len(), 3 * mask.len());
        let terms = logits.iter().enumerate().map(|(i, &x)| {
            // The three channels of a frame share its mask.
            let (frame, pixel) = (i / (3 * SIDE * SIDE), i % (SIDE * SIDE));
            let x = f64::from(x);
            x.exp().ln_1p() - x * f64::from(mask[frame * SIDE * SIDE + pixel])
        });
        terms.sum::<f64>() / logits.len() as f64
    };
    let [stale, right] = [&before, &after].map(|mask| cross_entropy(mask));
    assert!((stale / right - 1.0).abs() > 1e-4, "{stale} {right}");
    assert_close("auxiliary loss", update.get("loss.aux"), &[right], 1e-5);
    let decoder = "grad.aux_step.attribution_predictor.decoder.proj.weight";
    assert!(update.get(decoder).iter().any(|g| *g != 0.0));
}

/// ε falls evenly from one value to the other, once learning has begun; other agents act at
/// random until then alone.
#[test]
fn exploration_decays_and_depends_on_seed_and_step_alone() {
    let config = Config {
        init_steps: 50,
        epsilon_start: 0.8,
        epsilon_end: 0.2,
        epsilon_decay_steps: 300,
        ..config(AgentKind::Dqn)
    };
    for (step, epsilon) in [
        (0, 1.0),
        (49, 1.0),
        (50, 0.8),
        (200, 0.5),
        (350, 0.2),
        (351, 0.2),
        (u64::MAX, 0.2),
    ] {
        assert!((config.epsilon(step) - epsilon).abs() < 1e-12, "{step}");
    }
    let sac = Config {
        agent: AgentKind::Sac,
        ..config.clone()
    };
    assert_eq!((sac.epsilon(49), sac.epsilon(50)), (1.0, 0.0));

    let of = |config: &Config, from: u64| -> Vec<Option<Vec<f32>>> {
        let agent = Agent::new(&gpu(), config, ActionSpace::Continuous(2)).unwrap();
        let steps = from..from + 2_000;
        steps.map(|s| agent.random_action(s).unwrap()).collect()
    };
    let drawn = of(&config, 0);
    assert!(drawn[..50].iter().all(Option::is_some));
    let random = |range: std::ops::Range<usize>| {
        let (all, count) = (&drawn[range.clone()], range.len() as f64);
        all.iter().flatten().count() as f64 / count
    };
    // Five deviations of a binomial's.
    assert!((random(400..2_000) - 0.2).abs() < 0.05);
    assert!((random(50..350) - 0.5).abs() < 0.15);
    // Every choice occurs, and nothing but choices.
    let choices = Choices::of(ActionSpace::Continuous(2)).unwrap();
    for number in 0..choices.count() {
        assert!(drawn.iter().flatten().any(|a| *a == choices.action(number)));
    }
    let grid = |a: &f32| [-1.0, 0.0, 1.0].contains(a);
    assert!(drawn.iter().flatten().flatten().all(grid));
    // From the middle on as from the beginning; another seed draws others.
    assert_eq!(of(&config, 700)[..1_300], drawn[700..]);
    let other = Config {
        seed: 4,
        ..config.clone()
    };
    assert_ne!(of(&other, 0), drawn);
    // SAC's are drawn from the whole range, until learning begins.
    let uniform = of(&sac, 0);
    assert!(uniform[50..].iter().all(Option::is_none));
    assert!(!uniform[..50].iter().flatten().flatten().any(grid));
    let never = Config {
        epsilon_start: 0.0,
        epsilon_end: 0.0,
        ..config
    };
    assert!(of(&never, 50).iter().all(Option::is_none));
}

/// One Q head and nothing of an actor; the decoder sees the one-hot action.
#[test]
fn networks_are_those_of_a_critic_with_one_head() {
    let config = config(AgentKind::SgqnDqn);
    let agent = Agent::new(&gpu(), &config, ActionSpace::Continuous(2)).unwrap();
    let tensors = agent.tensors();
    let shape = |name: &str| {
        let found = tensors.iter().find(|t| t.0 == name);
        found.unwrap_or_else(|| panic!("no {name}")).1.clone()
    };
    assert_eq!(shape("critic.Q.trunk.0.weight"), [16, 6]);
    assert_eq!(shape("critic_target.Q.trunk.4.weight"), [9, 16]);
    assert_eq!(
        shape("critic.encoder.shared_cnn.layers.2.weight"),
        [4, 6, 3, 3]
    );
    let decoder = "attribution_predictor.decoder.proj.weight";
    assert_eq!(shape(decoder)[1], 6 + 9);
    for absent in ["actor", "alpha", "Q1", "Q2"] {
        assert!(!tensors.iter().any(|t| t.0.contains(absent)), "{absent}");
    }
    let store = FrameStore::new(&gpu(), 4, FrameShape::rgb(SIDE)).unwrap();
    let policy = agent.policy(&store.into(), 2).unwrap();
    // Greedy in either case: whoever explores does it elsewhere.
    let act = |sample| policy.act(&[0, 1, 2, 3], sample).unwrap();
    assert_eq!(act(true), act(false));
    assert_eq!(act(true).len(), 2 * 2);
    let names: Vec<_> = policy.programs().map(|(name, _)| name).collect();
    assert_eq!(names, ["greedy"]);
}
