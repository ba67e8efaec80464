use foveate::agents::sac::Turn;
use foveate::agents::svea::{self, SveaOptions};
use foveate::tape::{Tape, Var};

use crate::common::golden::Golden;
use crate::compare::{self, Tolerance, Verdict, whole_name};
use crate::setup::*;
use crate::sgqn_updates::overlaid;
use crate::update::batch;

/// The critic's part of one update, as the fixture's tensors `{prefix}…` have it.
fn update(prefix: &str, alpha: f32, beta: f32, augment: impl Fn(&Tape, &Golden, &Var) -> Var) {
    let golden = Golden::open("sgqn/07a_svea");
    let (learner, tape) = (learner(false), Tape::new());
    let turn = Turn {
        actor: false,
        targets: false,
        auxiliary: false,
    };
    let batch = batch(&tape, &golden, "");
    let augmented = augment(&tape, &golden, &batch.obs);
    let options = SveaOptions { alpha, beta };
    let trace = svea::update(&sac(&learner, &tape), &batch, &augmented, turn, options).unwrap();
    // Where the two halves are apart, both have values of these names.
    let once = alpha == beta;
    let kept: Vec<(String, Var)> = (trace.into_iter())
        .filter(|(name, _)| once || !(name.starts_with("out.q") || name.starts_with("loss.td")))
        .collect();
    let ran = run(&tape, &kept);
    compare::all(&golden, prefix, |name| {
        if name.starts_with("input.") {
            return Some(Verdict::Input);
        }
        let ours = name.replacen("grad.param.", "grad.critic_step.", 1);
        let tolerance = match name {
            _ if name.starts_with("out.") => Tolerance::Largest(1e-4),
            _ if name.starts_with("loss.") => Tolerance::Largest(2e-5),
            _ => Tolerance::Norm(2e-4),
        };
        Some(Verdict::Compare(ran.get(whole_name(&ours))?, tolerance))
    });
}

#[test]
fn one_update_on_overlaid_observations() {
    update("overlay.", 0.5, 0.5, |tape, _, obs| {
        overlaid(tape, obs, "step4.")
    });
}

#[test]
fn one_update_with_two_weights() {
    update("overlay_a03_b07.", 0.3, 0.7, |tape, _, obs| {
        overlaid(tape, obs, "step4.")
    });
}

#[test]
fn one_update_on_convolved_observations() {
    update("conv.", 0.5, 0.5, |tape, golden, obs| {
        obs.random_conv(&constant(tape, golden, "conv.input.kernel"))
            .unwrap()
    });
}

/// The gradients of one update in which the actor learns, where pictures of a step lie over
/// the augmented observations: names and values.
fn gradients(beta: f32, pictures: &str) -> Vec<(String, Vec<f32>)> {
    let golden = Golden::open("sgqn/07a_svea");
    let (learner, tape) = (learner(false), Tape::new());
    let turn = Turn {
        actor: true,
        targets: false,
        auxiliary: false,
    };
    let batch = batch(&tape, &golden, "");
    let augmented = overlaid(&tape, &batch.obs, pictures);
    let options = SveaOptions { alpha: 1.0, beta };
    let trace = svea::update(&sac(&learner, &tape), &batch, &augmented, turn, options).unwrap();
    let kept = trace
        .into_iter()
        .filter(|(name, _)| name.starts_with("grad."));
    let kept: Vec<(String, Var)> = kept.collect();
    let ran = run(&tape, &kept);
    let values = |(name, _): (String, Var)| (name.clone(), ran.get(&name).unwrap());
    kept.into_iter().map(values).collect()
}

/// What the actor learns from is not augmented (SPEC.md A.5): where the critic makes nothing
/// of the augmented observations either, no gradient depends on them.
///
/// Sabotage tried: the actor's features of the augmented observations. Turns this red.
#[test]
fn the_actor_sees_observations_as_they_are() {
    let [first, second] = ["step2.", "step4."].map(|pictures| gradients(0.0, pictures));
    for step in ["critic", "actor", "alpha"] {
        let of_step = |name: &str| name.starts_with(&format!("grad.{step}_step."));
        assert!(first.iter().any(|(name, _)| of_step(name)), "{step}");
    }
    for ((name, a), (_, b)) in first.iter().zip(&second) {
        assert!(a == b, "{name} depends on what is augmented");
        assert!(a.iter().all(|v| v.is_finite()));
    }
    // With some weight the critic's do.
    let [first, second] = ["step2.", "step4."].map(|pictures| gradients(0.5, pictures));
    let critic = |name: &str| name.starts_with("grad.critic_step.");
    assert!((first.iter().zip(&second)).any(|((name, a), (_, b))| critic(name) && a != b));
}
