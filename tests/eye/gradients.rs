//! Gradients to what a frozen encoder sees.

use foveate::agents::Agent;
use foveate::agents::explain::Explainer;
use foveate::config::Inputs;
use foveate::saliency::Method;
use foveate::tape::{Tape, Tensor};
use rand::RngExt;

use super::common::{gpu, rng};
use super::{SIDE, STACK, frozen};

/// The plain gradient goes through a frozen encoder to the pixels: along the signs of its
/// map, Q1 of the same action rises as the map says. What is about convolutions is refused.
#[test]
fn gradients_go_through_a_frozen_encoder_to_explain() {
    for inputs in [Inputs::Rgb, Inputs::RgbAndSaliency] {
        let frozen = frozen(inputs, true);
        let agent = Agent::new(&gpu(), &frozen.config, 2).unwrap();
        let explainer = Explainer::of_pixels(&agent, 2, &Method::Gradient).unwrap();
        let planes = agent.eye().frame().planes;
        let (area, stack) = (SIDE * SIDE, planes * STACK * SIDE * SIDE);
        let mut rng = rng(6);
        let pixels: Vec<f32> = (0..2 * stack)
            .map(|_| rng.random_range(20.0..230.0))
            .collect();
        let explained = explainer.explain_pixels(&pixels).unwrap();

        let tape = Tape::new();
        let shape = [2, planes * STACK, SIDE, SIDE];
        let input = tape.input("pixels", Tensor::f32(&shape));
        let actions: Vec<f32> = explained.iter().flat_map(|e| e.action.clone()).collect();
        let action = tape.constant(&[2, 2], &actions).unwrap();
        let features = agent.look(&tape, &input).unwrap();
        let [q, _] = agent.sac(&tape).q(&features, &action).unwrap();
        tape.output("q", &q);
        let program = tape.compile(&gpu()).unwrap();
        let value = |pixels: &[f32]| -> Vec<f32> {
            program.write("pixels", pixels).unwrap();
            program.run().unwrap();
            program.read_blocking("q").unwrap()
        };
        // The maps are of colours: saliency stays as it is.
        let moved = |by: f32| {
            let mut pixels = pixels.clone();
            for (e, stack) in explained.iter().zip(pixels.chunks_exact_mut(stack)) {
                let frames = stack.chunks_exact_mut(planes * area);
                for (frame, map) in frames.zip(e.map.chunks_exact(3 * area)) {
                    for (pixel, slope) in frame.iter_mut().zip(map) {
                        *pixel += by * slope.signum();
                    }
                }
            }
            value(&pixels)
        };
        const STEP: f32 = 0.05;
        let (up, down, here) = (moved(STEP), moved(-STEP), value(&pixels));
        for (i, e) in explained.iter().enumerate() {
            assert!((here[i] - e.q).abs() < 1e-5, "{} {}", here[i], e.q);
            let slope: f64 = e.map.iter().map(|v| f64::from(v.abs())).sum();
            let measured = f64::from(up[i] - down[i]) / f64::from(2.0 * STEP);
            assert!(slope > 1e-3, "{inputs}: {slope}");
            assert!(
                (measured / slope - 1.0).abs() < 0.02,
                "{inputs}: {measured} {slope}"
            );
        }
        for method in [Method::Guided, Method::GuidedGradCam] {
            let error = Explainer::of_pixels(&agent, 1, &method)
                .unwrap_err()
                .to_string();
            assert!(
                error.contains(method.name()) && error.contains("convolutions"),
                "{error}"
            );
        }
    }
}
