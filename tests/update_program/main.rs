//! What an agent's update programs learn from: transitions as they were stored, stacks
//! shifted or cropped, a grey, overlaid pictures, and new random numbers every time.

#[path = "../common/mod.rs"]
mod common;

mod crops;
mod setup;

use std::collections::{BTreeMap, HashSet};

use common::skip::skipped;
use common::*;
use foveate::agents::{Agent, OverlayBank, Replay};
use foveate::config::{AgentKind, Augmentation, Config, MaskFill};
use foveate::gpu::{BufferRange, Precision};
use setup::*;

/// Every stack of a batch is that of its transition, displaced as a whole by up to
/// `shift_pad` pixels: each sample on its own, and `next_obs` apart from `obs`.
///
/// Sabotages tried: `obs` not shifted, `next_obs` not shifted, both shifted by one
/// draw. Each turns this red.
#[test]
fn observations_are_shifted_each_on_its_own() {
    let (agent, replay, frames) = filled(&config(AgentKind::Sgqn));
    let recorded = Recorded::new(&agent, &replay, None, CRITIC_ONLY);
    let (mut of_obs, mut of_next, mut same) = (HashSet::new(), HashSet::new(), 0);
    for update in 0..3 {
        recorded.at(update);
        let [obs, next_obs, reward] = ["obs", "next_obs", "reward"].map(|n| recorded.get(n));
        for b in 0..BATCH {
            let first = reward[b] as usize;
            let stack = |all: &[f32]| all[b * STACK..][..STACK].to_vec();
            let now = displacement(&stack(&obs), &frames, first);
            let then = displacement(&stack(&next_obs), &frames, first + 1);
            same += (now == then) as usize;
            of_obs.insert((update, now));
            of_next.insert((update, then));
        }
    }
    // 40 draws of 25 displacements see about 20 of them; two that are independent
    // agree once in 25 times.
    assert!(of_obs.len() > 3 * 15 && of_next.len() > 3 * 15);
    assert!(same <= 15, "{same} of {} agree", 3 * BATCH);
    // In each direction, and up to the last pixel.
    for displacements in [of_obs, of_next] {
        for edge in [-(PAD as i32), PAD as i32] {
            assert!(displacements.iter().any(|(_, d)| d.0 == edge));
            assert!(displacements.iter().any(|(_, d)| d.1 == edge));
        }
    }
}

/// `shift_next_obs=false` shifts observations alone, as SVEA's first release did.
///
/// Sabotages tried: the key not read, neither shifted. Each turns this red.
#[test]
fn next_observations_are_left_where_they_are_if_asked() {
    let config = Config {
        shift_next_obs: false,
        ..config(AgentKind::Svea)
    };
    let (agent, replay, frames) = filled(&config);
    let bank = OverlayBank::new(&gpu(), &[vec![90u8; 3 * PLANE]], SIDE).unwrap();
    let recorded = Recorded::new(&agent, &replay, Some(&bank), CRITIC_ONLY);
    recorded.at(3);
    let [obs, next_obs, reward] = ["obs", "next_obs", "reward"].map(|n| recorded.get(n));
    let mut of_obs = HashSet::new();
    for (b, number) in reward.iter().enumerate() {
        let first = *number as usize;
        of_obs.insert(displacement(&obs[b * STACK..][..STACK], &frames, first));
        let next = &next_obs[b * STACK..][..STACK];
        assert_eq!(displacement(next, &frames, first + 1), (0, 0));
    }
    assert!(of_obs.len() > 10, "{of_obs:?}");
}

/// SAC's baseline sees observations as they are, and the rest of a transition with them.
#[test]
fn transitions_come_as_they_were_stored() {
    let (agent, replay, frames) = filled(&config(AgentKind::Sac));
    let recorded = Recorded::new(&agent, &replay, None, CRITIC_ONLY);
    recorded.at(11);
    let [obs, next_obs, reward] = ["obs", "next_obs", "reward"].map(|n| recorded.get(n));
    let (action, not_done) = (recorded.get("action"), recorded.get("not_done"));
    for b in 0..BATCH {
        let t = reward[b] as usize;
        assert_eq!(obs[b * STACK..][..STACK], shifted(&frames, t, (0, 0)));
        assert_eq!(
            next_obs[b * STACK..][..STACK],
            shifted(&frames, t + 1, (0, 0))
        );
        assert_eq!(action[2 * b..][..2], [t as f32 / 10.0, -(t as f32) / 10.0]);
        assert_eq!(not_done[b], if t == 3 { 0.0 } else { 1.0 });
    }
    let seen: HashSet<u32> = reward.iter().map(|r| *r as u32).collect();
    assert!(seen.len() >= 7, "{seen:?}");
}

/// The grey lies between the darkest and the brightest pixel of the batch, anew each
/// time; with `mask_fill = "zero"` it is black.
#[test]
fn the_grey_is_one_of_the_batch() {
    let (agent, replay, _) = filled(&config(AgentKind::Sgqn));
    let recorded = Recorded::new(&agent, &replay, None, CRITIC_ONLY);
    let mut places = vec![];
    for update in 0..24 {
        recorded.at(update);
        let (fill, obs) = (recorded.get("fill"), recorded.get("obs"));
        let low = obs.iter().copied().fold(f32::MAX, f32::min);
        let high = obs.iter().copied().fold(f32::MIN, f32::max);
        assert_eq!(fill.len(), 1);
        assert!(
            (low..=high).contains(&fill[0]),
            "{fill:?} in {low}..={high}"
        );
        places.push((fill[0] - low) / (high - low));
    }
    // 24 uniform numbers: in every quarter, and no two alike.
    for quarter in 0..4 {
        let inside = |p: &&f32| (**p * 4.0) as usize == quarter;
        assert!(places.iter().any(|p| inside(&p)), "{places:?}");
    }
    let distinct: HashSet<u32> = places.iter().map(|p| p.to_bits()).collect();
    assert_eq!(distinct.len(), places.len());

    let black = Config {
        mask_fill: MaskFill::Zero,
        ..config(AgentKind::Sgqn)
    };
    let (agent, replay, _) = filled(&black);
    let recorded = Recorded::new(&agent, &replay, None, CRITIC_ONLY);
    assert_eq!(recorded.at(0).get("fill"), [0.0]);
}

/// In the auxiliary phase's turn every sample is blended half and half with one of the
/// pictures (here of one colour each); in the others nothing is.
///
/// Sabotage tried: overlaid in every turn. Turns this red.
#[test]
fn pictures_are_overlaid_in_auxiliary_turns_alone() {
    let (agent, replay, _) = filled(&config(AgentKind::Sgqn));
    let greys = [0u8, 80, 240];
    let pictures: Vec<Vec<u8>> = greys.map(|g| vec![g; 3 * PLANE]).to_vec();
    let bank = OverlayBank::new(&gpu(), &pictures, SIDE).unwrap();
    let recorded = Recorded::new(&agent, &replay, Some(&bank), ALL);
    recorded.at(2);
    let (obs, overlaid) = (recorded.get("obs"), recorded.get("augmented"));
    let mut used = HashSet::new();
    for (before, after) in obs.chunks(STACK).zip(overlaid.chunks(STACK)) {
        let grey = (2.0 * after[0] - before[0]).round();
        used.insert(grey as u8);
        for (b, a) in before.iter().zip(after) {
            assert!((0.5 * (b + grey) - a).abs() < 1e-3, "{b}, {grey}: {a}");
        }
    }
    assert_eq!(used, HashSet::from(greys));

    let recorded = Recorded::new(&agent, &replay, Some(&bank), CRITIC_ONLY);
    recorded.at(2);
    assert_eq!(recorded.get("augmented"), recorded.get("obs"));
}

/// With `aux_augmentation=conv` auxiliary phases need no pictures: every sample is convolved
/// with numbers of its own, SGQN's in auxiliary turns alone, SODA's over a crop.
#[test]
fn auxiliary_phases_convolve_if_asked() {
    let convolving = |agent| Config {
        aux_augmentation: Augmentation::Conv,
        soda_batch_size: BATCH,
        ..config(agent)
    };
    let sigmoids = |values: &[f32]| {
        assert!(values.iter().all(|v| (0.0..=255.0).contains(v)));
        // Of sums of 27 pixels times normal numbers: nearly all are at one of the ends.
        let ends = values.iter().filter(|v| **v < 64.0 || **v > 191.0);
        let half = values.len() / 2;
        assert!(ends.count() > half, "{:?}", &values[..STACK]);
        let low = values.iter().filter(|v| **v < 127.5).count();
        assert!((half / 2..half + half / 2).contains(&low), "{low}");
    };
    let (agent, replay, _) = filled(&convolving(AgentKind::Sgqn));
    let recorded = Recorded::new(&agent, &replay, None, ALL);
    recorded.at(2);
    let (obs, reward) = (recorded.get("obs"), recorded.get("reward"));
    let augmented = recorded.get("augmented");
    assert_eq!(augmented.len(), obs.len());
    sigmoids(&augmented);
    // Two samples that show the same do not stay the same.
    let stack = |all: &[f32], b: usize| all[b * STACK..][..STACK].to_vec();
    let pairs = (0..BATCH).flat_map(|a| (0..a).map(move |b| (a, b)));
    let same =
        |&(a, b): &(usize, usize)| reward[a] == reward[b] && stack(&obs, a) == stack(&obs, b);
    let alike: Vec<_> = pairs.filter(same).collect();
    assert!(!alike.is_empty());
    for (a, b) in alike {
        assert_ne!(stack(&augmented, a), stack(&augmented, b));
    }
    let recorded = Recorded::new(&agent, &replay, None, CRITIC_ONLY);
    recorded.at(2);
    assert_eq!(recorded.get("augmented"), recorded.get("obs"));

    let (agent, replay, _) = filled(&convolving(AgentKind::Soda));
    let recorded = Recorded::with(&agent, &replay, None, ALL, &|tape| {
        let views = agent.soda_views(tape, &replay, None).unwrap();
        vec![("clean", views.clean), ("convolved", views.augmented)]
    });
    recorded.at(2);
    sigmoids(&recorded.get("convolved"));
    assert!(recorded.get("clean").iter().all(|v| v.fract() == 0.0));
}

/// Each update draws anew, from what its number says: the same number, the same batch.
#[test]
fn a_batch_is_decided_by_the_count_of_updates() {
    let (agent, replay, _) = filled(&config(AgentKind::Sgqn));
    let recorded = Recorded::new(&agent, &replay, None, CRITIC_ONLY);
    for name in [
        "obs",
        "next_obs",
        "reward",
        "next_noise",
        "actor_noise",
        "fill",
    ] {
        let first = recorded.at(5).get(name);
        assert_ne!(first, recorded.at(6).get(name), "{name}");
        assert_eq!(first, recorded.at(5).get(name), "{name}");
    }
    assert_ne!(recorded.get("next_noise"), recorded.get("actor_noise"));
}

/// The compiled updates count themselves, overlay in auxiliary turns alone, and move
/// what their turn says: the actor and the targets in every other step.
///
/// Sabotages tried: the count not advanced; target networks not updated. Each turns
/// this red.
#[test]
fn updates_count_themselves_and_move_what_is_due() {
    let config = config(AgentKind::Sgqn);
    let (mut agent, replay, _) = filled(&config);
    let picture = vec![vec![90u8; 3 * PLANE]];
    let bank = OverlayBank::new(&gpu(), &picture, SIDE).unwrap();
    agent.compile_updates(&replay, Some(&bank)).unwrap();
    for (turn, program) in agent.updates() {
        let overlays = program.dispatches().any(|(op, _)| op == "overlay");
        assert_eq!(overlays, turn.auxiliary, "{turn:?}");
        let ema = program.dispatches().any(|(op, _)| op == "ema");
        assert_eq!(ema, turn.targets, "{turn:?}");
        let stacks = program.dispatches().filter(|(op, _)| *op == "stack_frames");
        assert_eq!(stacks.count(), 2, "{turn:?}");
    }
    let parts = [
        "critic.Q1.trunk.0.weight",
        "actor.mlp.0.weight",
        "critic_target.Q1.trunk.0.weight",
        "log_alpha",
        "attribution_predictor.decoder.conv3.weight",
    ];
    let mut before = parameters(&agent, &parts);
    for step in 0..4u64 {
        assert_eq!(u64::from(count(&agent)), step);
        agent.update(step).unwrap();
        let after = parameters(&agent, &parts);
        let moved: Vec<bool> = before.iter().zip(&after).map(|(b, a)| b != a).collect();
        let even = step % 2 == 0;
        assert_eq!(moved, [true, even, even, even, even], "step {step}");
        before = after;
    }
    assert_eq!(count(&agent), 4);
    let losses = agent.watched().unwrap();
    assert!(losses.iter().any(|(name, _)| name == "critic_loss"));
    assert!(losses.iter().all(|(_, value)| value.is_finite()));
}

/// Of what is watched the last update's value is told, whichever turns share the name.
///
/// Sabotage tried: that of the turn that comes last in their order. Turns this red.
#[test]
fn the_latest_of_what_is_watched_is_told() {
    let config = config(AgentKind::Sac);
    let compiled = |(mut agent, replay, _): (Agent, Replay, Vec<Vec<u8>>)| {
        agent.compile_updates(&replay, None).unwrap();
        (agent, replay)
    };
    let told = |agent: &mut Agent| {
        let losses = agent.watched().unwrap();
        losses
            .iter()
            .find(|(name, _)| name == "critic_loss")
            .unwrap()
            .1
    };
    let (mut agent, _replay) = compiled(filled(&config));
    let each: Vec<f32> = (0..7)
        .map(|step| {
            agent.update(step).unwrap();
            told(&mut agent)
        })
        .collect();
    let distinct: HashSet<u32> = each.iter().map(|v| v.to_bits()).collect();
    assert_eq!(distinct.len(), 7, "{each:?}");
    // Read more seldom: after a critic's turn alone, and after one with the actor's.
    let (mut agent, _replay) = compiled(filled(&config));
    for steps in [0..2u64, 2..4, 4..7] {
        let last = steps.end as usize - 1;
        for step in steps {
            agent.update(step).unwrap();
        }
        assert_eq!(told(&mut agent), each[last], "{each:?}");
    }
}

/// What f16 costs an update: the first moments after the first step are the gradients,
/// but for a factor. README tells how far they are from f32's; here they only must not
/// be far.
#[test]
fn an_update_in_f16_has_nearly_the_gradients_of_f32() {
    if !gpu().capabilities().f16 {
        skipped("the device has no f16");
        return;
    }
    let gradients = |precision| {
        let config = Config {
            precision,
            ..config(AgentKind::Sgqn)
        };
        let (mut agent, replay, _) = filled(&config);
        let picture = vec![vec![90u8; 3 * PLANE]];
        let bank = OverlayBank::new(&gpu(), &picture, SIDE).unwrap();
        agent.compile_updates(&replay, Some(&bank)).unwrap();
        for (turn, program) in agent.updates() {
            let in_f16 = program.dispatches().any(|(_, key)| key.ends_with("_f16"));
            assert_eq!(in_f16, precision == Precision::F16, "{turn:?}");
        }
        agent.update(2).unwrap();
        let moments = (agent.tensors().into_iter()).filter(|t| t.0.contains(".m."));
        let read = |(name, _, _, range): (String, _, _, BufferRange)| {
            let bytes = gpu().read_blocking(&range).unwrap();
            let values = bytemuck::pod_collect_to_vec::<u8, f32>(&bytes);
            (name.split('.').next().unwrap().to_string(), values)
        };
        let mut by_optimiser = BTreeMap::<String, Vec<f32>>::new();
        for (name, values) in moments.map(read) {
            by_optimiser.entry(name).or_default().extend(values);
        }
        by_optimiser
    };
    let (exact, rounded) = (gradients(Precision::F32), gradients(Precision::F16));
    assert!(exact.len() >= 3, "{:?}", exact.keys());
    for (name, exact) in &exact {
        let square = |v: &mut dyn Iterator<Item = f32>| v.map(|v| (v as f64).powi(2)).sum::<f64>();
        let norm = square(&mut exact.iter().copied()).sqrt();
        let differences = exact.iter().zip(&rounded[name]).map(|(a, b)| a - b);
        let error = square(&mut differences.into_iter()).sqrt() / norm;
        println!("{name}: relative error of the gradient in f16 {error:.2e}");
        assert!(
            norm > 0.0 && error < 0.005,
            "{name}: {error:.2e} of {norm:.2e}"
        );
        assert!(error > 0.0, "{name} is not in f16");
    }
}
