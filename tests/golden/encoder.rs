use foveate::nn::Encoder;
use foveate::tape::Tape;

use crate::common::golden::Golden;
use crate::compare::{self, Tolerance, Verdict, whole_name};
use crate::setup::*;

#[test]
fn encoder_and_its_gradients() {
    let golden = Golden::open("sgqn/01_encoder");
    let (learner, tape) = (learner(true), Tape::new());
    let obs = rows(&tape, "obs", &golden, "input.index");
    let critic = learner.scope(&tape, "critic.encoder");
    let actor = learner.scope(&tape, "actor.encoder");
    let cnn = Encoder::cnn(&critic, &obs, &learner.shape).unwrap();
    let z = Encoder::projection(&critic, &cnn).unwrap();
    let scalar = dot(&[(&z, &constant(&tape, &golden, "input.cotangent"))]);

    // The stages of the projection, which it does not return.
    let projection = critic.sub("projection.projection");
    let linear = projection.linear("0", &cnn.flatten().unwrap()).unwrap();
    let layernorm = projection.layer_norm("1", &linear, 1e-5).unwrap();

    let pool = Golden::open("sgqn/pool");
    let obs100 = constant(&tape, &pool, "pool.obs100");
    let centre = obs100.center_crop(84).unwrap();
    let cnn100 = Encoder::cnn(&critic, &centre, &learner.shape).unwrap();
    let named = [
        ("out.linear", linear),
        ("out.layernorm", layernorm),
        (
            "out.z_from_obs100",
            Encoder::projection(&critic, &cnn100).unwrap(),
        ),
        ("out.actor_z", Encoder::projection(&actor, &cnn).unwrap()),
        ("grad.input", gradient(&tape, &scalar, &obs)),
        ("out.scalar", scalar.clone()),
        ("out.cnn", cnn),
        ("out.z", z),
    ];
    let mut outputs: Vec<_> = named.map(|(n, v)| (n.to_string(), v)).into();
    outputs.extend(parameter_gradients(
        &learner,
        &tape,
        &scalar,
        &["critic.encoder."],
    ));
    let ran = run(&tape, &outputs);

    compare::all(&golden, "", |name| match name {
        "input.index" | "input.cotangent" => Some(Verdict::Input),
        "grad.input.sample0" => Some(Verdict::Compare(
            sample(ran.get("grad.input")?, 0),
            Tolerance::Norm(1e-4),
        )),
        _ => {
            let tolerance = match name.starts_with("grad.") {
                true => Tolerance::Norm(1e-4),
                false => Tolerance::Largest(5e-5),
            };
            Some(Verdict::Compare(ran.get(whole_name(name))?, tolerance))
        }
    });
}
