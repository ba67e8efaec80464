use foveate::nn::{Critic, Encoder};
use foveate::tape::Tape;

use crate::common::golden::Golden;
use crate::compare::{self, Tolerance, Verdict, whole_name};
use crate::setup::*;

#[test]
fn critics_and_their_gradients() {
    let golden = Golden::open("sgqn/03_critic");
    let (learner, tape) = (learner(true), Tape::new());
    let obs = rows(&tape, "obs", &golden, "input.index");
    let action = rows(&tape, "action", &golden, "input.index");
    let sac = sac(&learner, &tape);
    let q = sac.q(&sac.features(&obs).unwrap(), &action).unwrap();
    let target = learner.scope(&tape, "critic_target");
    let features = Encoder::cnn(&target.sub("encoder"), &obs, &learner.shape).unwrap();
    let [target_q1, target_q2] =
        Critic::forward(&target, &features, &action, &learner.shape).unwrap();
    let cotangent = |n: &str| constant(&tape, &golden, &format!("input.cotangent_{n}"));
    let scalar = dot(&[(&q[0], &cotangent("q1")), (&q[1], &cotangent("q2"))]);
    let named = [
        ("out.target_q1", target_q1),
        ("out.target_q2", target_q2),
        ("grad.input", gradient(&tape, &scalar, &obs)),
        ("grad.action", gradient(&tape, &scalar, &action)),
        ("out.scalar", scalar.clone()),
        ("out.q1", q[0].clone()),
        ("out.q2", q[1].clone()),
    ];
    let mut outputs: Vec<_> = named.map(|(n, v)| (n.to_string(), v)).into();
    outputs.extend(parameter_gradients(&learner, &tape, &scalar, &["critic."]));
    let ran = run(&tape, &outputs);

    compare::all(&golden, "", |name| match name {
        _ if name.starts_with("input.") => Some(Verdict::Input),
        "grad.input.sample0" => Some(Verdict::Compare(
            sample(ran.get("grad.input")?, 0),
            Tolerance::Norm(1e-4),
        )),
        _ => {
            let tolerance = match name.starts_with("grad.") {
                true => Tolerance::Norm(1e-4),
                false => Tolerance::Largest(1e-4),
            };
            Some(Verdict::Compare(ran.get(whole_name(name))?, tolerance))
        }
    });
}
