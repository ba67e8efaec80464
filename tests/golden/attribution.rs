use foveate::nn::Encoder;
use foveate::saliency::{GradCam, QuantileMask, attribution};
use foveate::tape::{Gradient, Tape};

use crate::common::golden::Golden;
use crate::compare::{self, Tolerance, Verdict};
use crate::setup::*;

/// Sabotages tried, each turns this red: the true gradient instead of the guided rule,
/// the mask inverted, its quantile over all frames at once.
#[test]
fn gradients_guided_backpropagation_grad_cam_and_masks() {
    let golden = Golden::open("sgqn/04_attribution");
    let (learner, tape) = (learner(true), Tape::new());
    let obs = rows(&tape, "obs", &golden, "input.index");
    let action = rows(&tape, "action", &golden, "input.index");
    let sac = sac(&learner, &tape);
    let encoder = learner.scope(&tape, "critic").sub("encoder");
    let maps = Encoder::cnn(&encoder, &obs, &learner.shape).unwrap();
    let [q1, _] = sac.q(&maps, &action).unwrap();
    let map = |rule| attribution(&tape, &q1, &obs, rule).unwrap();
    let guided = map(Gradient::Guided);
    let frames = learner.shape.frame_stack;
    let mask = |rho| QuantileMask::record(&guided, frames, rho).unwrap();
    let (at95, at98) = (mask(0.95), mask(0.98));
    let grad_cam = GradCam::record(&tape, &q1, &maps).unwrap();
    let named = [
        ("vanilla", map(Gradient::True)),
        ("guided_gradcam", grad_cam.guide(&guided).unwrap()),
        ("out.gradcam", grad_cam.cam),
        ("out.gradcam_before_relu", grad_cam.before_relu),
        ("out.guided_backprop", guided),
        ("out.mask.guided_backprop.rho0.95", at95.mask),
        ("out.mask.guided_backprop.rho0.98", at98.mask),
        ("out.threshold.guided_backprop.rho0.95", at95.threshold),
        ("out.threshold.guided_backprop.rho0.98", at98.threshold),
    ];
    let ran = run(&tape, &named.map(|(n, v)| (n.to_string(), v)));

    compare::all(&golden, "", |name| match name {
        "input.index" => Some(Verdict::Input),
        _ if name.starts_with("edge.") => {
            Some(Verdict::LeftOut("compared in tests/ops/quantile.rs"))
        }
        "out.guided_gradcam.sample0" => Some(Verdict::Compare(
            sample(ran.get("guided_gradcam")?, 0),
            Tolerance::Largest(1e-4),
        )),
        "out.gradcam" | "out.gradcam_before_relu" => {
            Some(Verdict::Compare(ran.get(name)?, Tolerance::Largest(1e-4)))
        }
        "out.vanilla.sample1" => Some(Verdict::Compare(
            sample(ran.get("vanilla")?, 1),
            Tolerance::Largest(5e-5),
        )),
        _ => {
            let tolerance = match name.starts_with("out.mask.") {
                true => Tolerance::Different(0),
                false => Tolerance::Largest(5e-5),
            };
            Some(Verdict::Compare(ran.get(name)?, tolerance))
        }
    });
}
