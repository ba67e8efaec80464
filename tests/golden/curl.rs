use std::cell::Cell;

use foveate::agents::curl;
use foveate::config::Auxiliary;
use foveate::tape::Tape;

use crate::common::golden::Golden;
use crate::compare::{self, Tolerance, Verdict, whole_name};
use crate::setup::*;
use crate::update::{Dropped, after_one_step};

/// One step of the contrast; the positives are the next observations. `traced` as for one
/// SAC update.
fn step(traced: bool) {
    let golden = Golden::open("sgqn/07d_curl");
    let learner = learner_of(Some(Auxiliary::Contrast), Some(&golden));
    let (tape, before) = (Tape::new(), state(&learner));
    let row = |what: &str| rows(&tape, what, &golden, "input.index");
    let (mut trace, sac) = (vec![], sac(&learner, &tape));
    curl::contrast_step(&sac, &row("obs"), &row("next_obs"), &mut trace).unwrap();
    let ran = run(&tape, if traced { &trace } else { &[] });
    let after = state(&learner);

    let dropped = Cell::new(Dropped::default());
    compare::all(&golden, "", |name| {
        if let Some(parameter) = name.strip_prefix("after.param.") {
            let whole = whole_name(parameter);
            let (start, after) = (before.get(whole)?, after.get(whole)?);
            let result = after_one_step(&golden, parameter, start, after, 3e-4);
            return Some(Verdict::Checked(
                result.map(|d| dropped.set(dropped.get().and(d))),
            ));
        }
        if name.starts_with("input.") || name.starts_with("param.") {
            return Some(Verdict::Input);
        }
        if !traced {
            return Some(Verdict::LeftOut("compared with the trace kept"));
        }
        let ours = name.replacen("grad.param.", "grad.aux_step.", 1);
        let tolerance = match name {
            _ if name.starts_with("out.") => Tolerance::Largest(1e-4),
            _ if name.starts_with("loss.") => Tolerance::Largest(2e-5),
            _ => Tolerance::Norm(3e-4),
        };
        Some(Verdict::Compare(ran.get(whole_name(&ours))?, tolerance))
    });
    dropped.get().assert_few();
    // Nothing else moves: not the target, not the value functions, not the actor.
    for (name, values) in &before {
        let own = name.starts_with("critic.encoder.") || name == "curl.W";
        let moments = name.starts_with("aux_optimizer.");
        assert!(own || moments || &after[name] == values, "{name} moved");
    }
}

#[test]
fn one_contrast_step_by_step() {
    step(true);
}

#[test]
fn one_contrast_as_training_compiles_it() {
    step(false);
}
