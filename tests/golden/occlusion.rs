use foveate::saliency::{Occlusion, Questions};
use foveate::tape::Tensor;

use crate::common::golden::Golden;
use crate::common::gpu;
use crate::compare::{self, Tolerance, Verdict};
use crate::setup::*;

/// The map of every sample, one after the other: f32[B, G, 84, 84].
fn maps(golden: &Golden, options: Occlusion) -> Vec<f32> {
    let learner = learner(false);
    let (frames, side) = (learner.shape.frame_stack, learner.shape.image_size);
    let black_box = options.black_box([side; 2], frames).unwrap();
    let questions = Questions::new(
        &gpu(),
        black_box.as_ref(),
        learner.shape.in_channels(),
        [side; 2],
        50,
        |tape, pixels| {
            let sac = sac(&learner, tape);
            let batch = pixels.shape()[0];
            let action = tape.input("action", Tensor::f32(&[1, 2]));
            let action = action.broadcast_to(&[batch, 2])?;
            let [q1, _] = sac.q(&sac.features(pixels)?, &action)?;
            Ok(q1)
        },
        |tape, map| {
            tape.output("map", map);
            Ok(())
        },
    )
    .unwrap();
    let pool = Golden::open("sgqn/pool");
    let (pixels, actions) = (pool.f32("pool.obs").1, pool.f32("pool.action").1);
    let mut all = vec![];
    for row in golden.i32("input.index").1 {
        for (name, values, each) in [
            ("pixels", &pixels, 9 * side * side),
            ("action", &actions, 2),
        ] {
            let values = &values[row as usize * each..][..each];
            questions.ask().write(name, values).unwrap();
        }
        let mut asked = 0;
        questions.run(&mut |done| asked += done).unwrap();
        assert_eq!(asked, questions.items());
        all.extend(questions.read("map").unwrap());
    }
    all
}

#[test]
fn occlusion_by_frame_and_by_stack() {
    let golden = Golden::open("sgqn/08_occlusion");
    compare::all(&golden, "", |name| {
        let options = match name {
            "input.index" => return Some(Verdict::Input),
            "out.per_frame_w8_s4_b0" => Occlusion::default(),
            "out.all_channels_w8_s4_b0" => Occlusion {
                per_frame: false,
                ..Default::default()
            },
            "out.edge_all_channels_w10x7_s6x5_b127.5" => Occlusion {
                window: [10, 7],
                stride: [6, 5],
                baseline: 127.5,
                per_frame: false,
            },
            _ => return None,
        };
        let maps = maps(&golden, options);
        Some(Verdict::Compare(maps, Tolerance::Largest(2e-4)))
    });
}
