use foveate::nn::{Actor, Encoder};
use foveate::tape::Tape;

use crate::common::golden::Golden;
use crate::compare::{self, Tolerance, Verdict, whole_name};
use crate::setup::*;

/// The gradient goes through the CNN here; updates detach it.
#[test]
fn policy_and_its_gradients() {
    let golden = Golden::open("sgqn/02_actor");
    let (learner, tape) = (learner(true), Tape::new());
    let obs = rows(&tape, "obs", &golden, "input.index");
    let encoder = learner.scope(&tape, "critic.encoder");
    let features = Encoder::cnn(&encoder, &obs, &learner.shape).unwrap();
    let mlp = Actor::forward(&learner.scope(&tape, "actor"), &features, &learner.shape).unwrap();
    let noise = constant(&tape, &golden, "noise.eps");
    let policy = sac(&learner, &tape).policy;
    let sampled = mlp
        .squashed_gaussian(&noise, policy.log_std_min, policy.log_std_max)
        .unwrap();
    let cotangent = |n: &str| constant(&tape, &golden, &format!("input.cotangent_{n}"));
    let scalar = dot(&[
        (&sampled.mean, &cotangent("mu")),
        (&sampled.log_std, &cotangent("log_std")),
        (&sampled.action, &cotangent("pi")),
        (&sampled.log_prob, &cotangent("log_pi")),
    ]);
    let named = [
        ("out.mlp", mlp),
        ("out.mu", sampled.mean),
        ("out.log_std", sampled.log_std),
        ("out.pi", sampled.action),
        ("out.log_pi", sampled.log_prob),
        ("out.scalar", scalar.clone()),
    ];
    let mut outputs: Vec<_> = named.map(|(n, v)| (n.to_string(), v)).into();
    outputs.extend(parameter_gradients(
        &learner,
        &tape,
        &scalar,
        &["critic.encoder.shared_cnn.", "actor."],
    ));
    let ran = run(&tape, &outputs);

    compare::all(&golden, "", |name| match name {
        _ if name.starts_with("squash.") => {
            Some(Verdict::LeftOut("compared in tests/ops/squash.rs"))
        }
        "noise.eps" => Some(Verdict::Input),
        _ if name.starts_with("input.") => Some(Verdict::Input),
        _ => {
            let tolerance = match name.starts_with("grad.") {
                true => Tolerance::Norm(2e-4),
                false => Tolerance::Largest(5e-5),
            };
            Some(Verdict::Compare(ran.get(whole_name(name))?, tolerance))
        }
    });
}
