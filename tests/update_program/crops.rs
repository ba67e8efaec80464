//! Agents whose frames are larger than what they see: RAD, CURL, SODA, SVEA + SODA.

use std::collections::HashSet;

use foveate::agents::{Agent, OverlayBank, Replay, curl};
use foveate::config::{AgentKind, Config};
use foveate::tape::{Tape, Tensor};

use crate::common::*;
use crate::setup::*;

/// Side of a frame, and places that a window has on each axis.
const DRAWN: usize = 16;
const PLACES: usize = DRAWN - SIDE;
/// Observations of SODA's phase.
const SODA_BATCH: usize = 50;

fn cropping(agent: AgentKind) -> (Agent, Replay, Vec<Vec<u8>>) {
    let config = Config {
        soda_batch_size: SODA_BATCH,
        ..config(agent)
    };
    assert_eq!(config.rendered_size(), DRAWN);
    filled(&config)
}

/// Frames `first..first + FRAMES`, of each the window at row and column.
fn window(frames: &[Vec<u8>], first: usize, (row, column): (usize, usize)) -> Vec<f32> {
    let planes = frames[first..first + FRAMES]
        .iter()
        .flat_map(|frame| frame.chunks(DRAWN * DRAWN));
    let rows = planes.flat_map(|plane| plane.chunks(DRAWN).skip(row).take(SIDE));
    rows.flat_map(|line| &line[column..column + SIDE])
        .map(|&byte| f32::from(byte))
        .collect()
}

/// Which window of the stack of transition `first` this is: noise fits in one way only.
fn place(stack: &[f32], frames: &[Vec<u8>], first: usize) -> (usize, usize) {
    let all = (0..=PLACES).flat_map(|row| (0..=PLACES).map(move |column| (row, column)));
    let fitting: Vec<_> = all
        .filter(|&at| window(frames, first, at) == stack)
        .collect();
    assert_eq!(fitting.len(), 1, "{fitting:?}");
    fitting[0]
}

/// Every place is drawn but the last that a window could start at, on each axis.
fn assert_places(places: &HashSet<(u32, (usize, usize))>) {
    for axis in [|p: &(usize, usize)| p.0, |p: &(usize, usize)| p.1] {
        let seen: HashSet<usize> = places.iter().map(|(_, at)| axis(at)).collect();
        assert_eq!(seen, (0..PLACES).collect());
    }
}

/// The stack of sample `b`.
fn sample(stacks: &[f32], b: usize) -> &[f32] {
    &stacks[b * STACK..][..STACK]
}

/// Sabotages tried: the last place drawn too (the bound of the draw), one draw for `obs`
/// and `next_obs`, the middle in training. Each turns this red.
#[test]
fn observations_are_cropped_each_on_its_own() {
    for agent in [
        AgentKind::Rad,
        AgentKind::Curl,
        AgentKind::Pad,
        AgentKind::Soda,
    ] {
        let (agent, replay, frames) = cropping(agent);
        let recorded = Recorded::new(&agent, &replay, None, CRITIC_ONLY);
        let (mut of_obs, mut of_next, mut same) = (HashSet::new(), HashSet::new(), 0);
        for update in 0..3 {
            recorded.at(update);
            let [obs, next_obs, reward] = ["obs", "next_obs", "reward"].map(|n| recorded.get(n));
            for (b, number) in reward.iter().enumerate() {
                let first = *number as usize;
                let now = place(sample(&obs, b), &frames, first);
                let then = place(sample(&next_obs, b), &frames, first + 1);
                same += (now == then) as usize;
                of_obs.insert((update, now));
                of_next.insert((update, then));
            }
        }
        assert_places(&of_obs);
        assert_places(&of_next);
        // Two that are independent agree once in 16 times.
        assert!(same <= 20, "{same} of {} agree", 3 * BATCH);
    }
}

/// CURL's positives show what `obs` shows, cropped at places of their own.
///
/// Sabotage tried: the positives cropped by the draw of `obs`. Turns this red.
#[test]
fn positives_are_other_crops_of_the_same() {
    let (agent, replay, frames) = cropping(AgentKind::Curl);
    let recorded = Recorded::with(&agent, &replay, None, ALL, &|tape| {
        let drawn = agent.draw(tape, &replay).unwrap();
        vec![("positive", agent.positives(tape, &replay, &drawn).unwrap())]
    });
    let (mut places, mut same) = (HashSet::new(), 0);
    for update in 0..3 {
        recorded.at(update);
        let [obs, positive, reward] = ["obs", "positive", "reward"].map(|n| recorded.get(n));
        for (b, number) in reward.iter().enumerate() {
            let first = *number as usize;
            let other = place(sample(&positive, b), &frames, first);
            same += (other == place(sample(&obs, b), &frames, first)) as usize;
            places.insert((update, other));
        }
    }
    assert_places(&places);
    assert!(same <= 20, "{same} of {} agree", 3 * BATCH);
}

/// The contrast makes no matrix of batch × batch on the host, where it would take 160 GB
/// here: that a device cannot hold one is a device's error.
#[test]
fn a_contrast_of_many_is_the_devices_to_refuse() {
    const MANY: usize = 200_000;
    let (agent, _, _) = cropping(AgentKind::Curl);
    let tape = Tape::new();
    let stacks = Tensor::f32(&[MANY, 3 * FRAMES, SIDE, SIDE]);
    let [obs, positive] = ["obs", "positive"].map(|name| tape.input(name, stacks.clone()));
    curl::contrast_step(&agent.sac(&tape), &obs, &positive, &mut vec![]).unwrap();
    assert!(tape.compile(&gpu()).is_err());
}

/// SODA's phase draws observations of its own, more than a batch has, and crops each
/// twice; a picture (here of one colour) lies over one of the two.
///
/// Sabotages tried: the transitions of the batch instead of a draw, one draw for both
/// crops, a picture over both. Each turns this red.
#[test]
fn views_are_two_crops_of_observations_drawn_anew() {
    let picture = vec![vec![80u8; 3 * PLANE]];
    let bank = OverlayBank::new(&gpu(), &picture, SIDE).unwrap();
    for agent in [AgentKind::Soda, AgentKind::SveaSoda] {
        let (agent, replay, frames) = cropping(agent);
        let recorded = Recorded::with(&agent, &replay, Some(&bank), ALL, &|tape| {
            let views = agent.soda_views(tape, &replay, Some(&bank)).unwrap();
            vec![("clean", views.clean), ("pasted", views.augmented)]
        });
        let (mut of_clean, mut of_pasted) = (HashSet::new(), HashSet::new());
        let (mut same, mut same_draw) = (0, 0);
        for update in 0..2 {
            recorded.at(update);
            let [clean, pasted, reward] = ["clean", "pasted", "reward"].map(|n| recorded.get(n));
            assert_eq!(clean.len(), SODA_BATCH * STACK);
            assert_eq!(pasted.len(), SODA_BATCH * STACK);
            for b in 0..SODA_BATCH {
                let clean = sample(&clean, b);
                let below: Vec<f32> = (sample(&pasted, b).iter())
                    .map(|v| (2.0 * v - 80.0).round())
                    .collect();
                // Which transition it is of.
                let shows = |stack: &[f32], t: usize| {
                    let all = (0..=PLACES).flat_map(|r| (0..=PLACES).map(move |c| (r, c)));
                    all.into_iter().any(|at| window(&frames, t, at) == stack)
                };
                let first = (0..TRANSITIONS).find(|&t| shows(clean, t)).unwrap();
                let (at, other) = (place(clean, &frames, first), place(&below, &frames, first));
                same += (at == other) as usize;
                let drawn = reward
                    .get(b)
                    .is_some_and(|number| *number as usize == first);
                same_draw += drawn as usize;
                of_clean.insert((update, at));
                of_pasted.insert((update, other));
            }
        }
        assert_places(&of_clean);
        assert_places(&of_pasted);
        assert!(same <= 18, "{same} of {} agree", 2 * SODA_BATCH);
        // One in nine by chance.
        assert!(same_draw <= 25, "{same_draw} of {}", 2 * BATCH);
    }
}

/// Without pictures there is nothing to overlay: an error, and no agent that learns less.
#[test]
fn views_need_pictures() {
    for kind in [AgentKind::Soda, AgentKind::SveaSoda] {
        let (mut agent, replay, _) = cropping(kind);
        let error = agent.compile_updates(&replay, None).unwrap_err();
        assert!(error.to_string().contains("pictures"), "{kind}: {error}");
    }
}

/// What each agent's phase moves, and when.
///
/// Sabotage tried: SODA's target not updated. Turns this red.
#[test]
fn phases_move_what_is_theirs() {
    let picture = vec![vec![90u8; 3 * PLANE]];
    let bank = OverlayBank::new(&gpu(), &picture, SIDE).unwrap();
    let always = ["critic.Q1.trunk.0.weight", "counter.update"];
    let even = ["actor.mlp.0.weight", "critic_target.Q1.trunk.0.weight"];
    for (kind, own, each_step) in [
        (AgentKind::Rad, vec![], false),
        (
            AgentKind::Curl,
            vec!["curl.W", "aux_optimizer.m.curl.W"],
            true,
        ),
        (
            AgentKind::Soda,
            vec![
                "predictor.encoder.projection.mlp.0.weight",
                "predictor.mlp.mlp.3.weight",
                "predictor_target.encoder.projection.mlp.0.weight",
                "predictor_target.encoder.shared_cnn.layers.4.weight",
                "predictor_target.mlp.mlp.3.weight",
                "aux_optimizer.v.critic.encoder.shared_cnn.layers.2.weight",
            ],
            false,
        ),
        (
            AgentKind::Pad,
            vec![
                "pad_head.encoder.head_cnn.layers.1.weight",
                "pad_head.encoder.projection.projection.0.weight",
                "pad_head.mlp.4.bias",
                "aux_optimizer.v.critic.encoder.shared_cnn.layers.2.weight",
            ],
            false,
        ),
        (
            AgentKind::SveaSoda,
            vec![
                "predictor.mlp.mlp.3.weight",
                "predictor_target.mlp.mlp.3.weight",
            ],
            false,
        ),
    ] {
        let config = Config {
            soda_batch_size: SODA_BATCH,
            aux_update_freq: if each_step { 1 } else { 2 },
            num_head_layers: (kind == AgentKind::Pad) as usize,
            ..config(kind)
        };
        let (mut agent, replay, _) = filled(&config);
        agent.compile_updates(&replay, Some(&bank)).unwrap();
        // What is gathered is cropped on the way.
        for (turn, program) in agent.updates() {
            let crops = program.dispatches().filter(|(op, _)| *op == "crop");
            assert_eq!(crops.count(), 0, "{kind}, {turn}");
        }
        let names = [&always[..], &even, &own].concat();
        let mut before = parameters(&agent, &names);
        for step in 0..4u64 {
            agent.update(step).unwrap();
            let after = parameters(&agent, &names);
            let moved: Vec<bool> = before.iter().zip(&after).map(|(b, a)| b != a).collect();
            let due = step % 2 == 0;
            let mut expected = vec![true, true, due, due];
            expected.extend(vec![due || each_step; own.len()]);
            assert_eq!(moved, expected, "{kind}, step {step}: {names:?}");
            before = after;
        }
        let losses = agent.watched().unwrap();
        let auxiliary = losses.iter().any(|(name, _)| name == "aux_loss");
        assert_eq!(auxiliary, kind != AgentKind::Rad, "{kind}: {losses:?}");
        assert!(losses.iter().all(|(_, value)| value.is_finite()));
    }
}
