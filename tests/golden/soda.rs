use std::cell::Cell;

use foveate::agents::soda::{self, SodaViews};
use foveate::config::Auxiliary;
use foveate::tape::{Tape, Var};

use crate::common::fixed_u32;
use crate::common::golden::Golden;
use crate::compare::{self, Tolerance, Verdict, close, every_13th, statistics, whole_name};
use crate::setup::*;
use crate::sgqn_updates::overlaid;
use crate::update::{Dropped, after_one_step};

/// Biases before a batch norm, or before a linear layer without a nonlinearity and one:
/// what they add is subtracted again, and their gradient is a rounding error.
const NO_GRADIENT: [&str; 4] = [
    "predictor.encoder.projection.mlp.0.bias",
    "predictor.encoder.projection.mlp.3.bias",
    "predictor.mlp.mlp.0.bias",
    "critic.encoder.shared_cnn.layers.22.bias",
];
const RATE: f64 = 3e-4;

/// Windows of the pool's larger stacks, as the fixture's `offsets` have them.
fn cropped(tape: &Tape, golden: &Golden, offsets: &str) -> Var {
    let (shape, offsets) = golden.i32(offsets);
    let offsets: Vec<u32> = offsets.iter().map(|&o| o as u32).collect();
    let stacks = constant(tape, &Golden::open("sgqn/pool"), "pool.obs100");
    let offsets = fixed_u32(tape, &shape, &offsets);
    stacks.crop(&offsets, 84).unwrap()
}

/// The phase once. `traced` as for one SAC update.
fn phase(traced: bool) {
    let golden = Golden::open("sgqn/07b_soda");
    let learner = learner_of(Some(Auxiliary::Soda), Some(&golden));
    let (tape, before) = (Tape::new(), state(&learner));
    let views = SodaViews {
        clean: cropped(&tape, &golden, "input.offset_x1"),
        augmented: overlaid(&tape, &cropped(&tape, &golden, "input.offset_x0"), "soda."),
    };
    let mut trace = vec![];
    soda::auxiliary_step(&sac(&learner, &tape), &views, &mut trace).unwrap();
    let ran = run(&tape, if traced { &trace } else { &[] });
    let after = state(&learner);

    let dropped = Cell::new(Dropped::default());
    let parameter_after = |name: &str| -> Option<Result<Dropped, String>> {
        let whole = whole_name(name);
        let (start, now) = (before.get(whole)?, after.get(whole)?);
        let expected = golden.array(&format!("after.param.{name}")).data;
        if NO_GRADIENT.contains(&name) {
            let moved = (start.iter().zip(now)).map(|(s, n)| f64::from(n - s).abs());
            let within = moved.clone().all(|m| m <= 2.0 * RATE);
            let message = || format!("moved by {:?}", moved.collect::<Vec<_>>());
            return Some(match within {
                true => Ok(Dropped::default()),
                false => Err(message()),
            });
        }
        if !name.starts_with("predictor_target.") {
            return Some(after_one_step(&golden, name, start, now, RATE));
        }
        // The noise of Adam's first step arrives here times 0.005.
        Some(
            match name {
                _ if name.ends_with(".stats") => {
                    let moved = (now.iter().zip(start)).map(|(n, s)| f64::from(*n) - f64::from(*s));
                    statistics(moved, &expected)
                }
                _ if name.ends_with(".sub13") => {
                    close(&every_13th(now), &expected, Tolerance::Absolute(5e-6))
                }
                _ => close(now, &expected, Tolerance::Absolute(5e-6)),
            }
            .map(|()| Dropped::default()),
        )
    };
    compare::all(&golden, "", |name| {
        if let Some(parameter) = name.strip_prefix("after.param.") {
            let result = parameter_after(parameter)?;
            return Some(Verdict::Checked(
                result.map(|d| dropped.set(dropped.get().and(d))),
            ));
        }
        if name.starts_with("after.buffer.") {
            return Some(Verdict::LeftOut("nothing ever reads the running averages"));
        }
        if name.starts_with("input.") || name.starts_with("param.") {
            return Some(Verdict::Input);
        }
        if !traced {
            return Some(Verdict::LeftOut("compared with the trace kept"));
        }
        let ours = ran.get(whole_name(&name.replacen(
            "grad.param.",
            "grad.aux_step.",
            1,
        )))?;
        let parameter = name.strip_prefix("grad.param.");
        if parameter.is_some_and(|p| NO_GRADIENT.contains(&p)) {
            let noise = vec![0.0; ours.len()];
            let result = close(&ours, &noise, Tolerance::Absolute(1e-5));
            return Some(Verdict::Checked(result));
        }
        let tolerance = match name {
            _ if name.starts_with("out.") => Tolerance::Largest(2e-4),
            _ if name.starts_with("loss.") => Tolerance::Largest(2e-5),
            _ => Tolerance::Norm(5e-4),
        };
        Some(Verdict::Compare(ours, tolerance))
    });
    dropped.get().assert_few();
    // Nothing else moves: no projection, no value function, no actor, not their targets.
    for (name, values) in &before {
        let own = ["critic.encoder.shared_cnn.", "predictor", "aux_optimizer."];
        let moves = own.iter().any(|prefix| name.starts_with(prefix));
        assert!(moves || &after[name] == values, "{name} moved");
    }
}

#[test]
fn the_phase_step_by_step() {
    phase(true);
}

#[test]
fn the_phase_as_training_compiles_it() {
    phase(false);
}
