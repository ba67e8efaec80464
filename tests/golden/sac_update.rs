use std::cell::Cell;

use foveate::agents::sac::Turn;
use foveate::tape::Tape;

use crate::common::golden::Golden;
use crate::compare::{self, Tolerance, Verdict, whole_name};
use crate::setup::*;
use crate::update::{Dropped, batch, parameter_after};

/// One update with all turns. `traced`: every intermediate value is kept and compared;
/// else the program is as training compiles it, and only what it changes is compared.
fn update(traced: bool) {
    let golden = Golden::open("sgqn/05_sac_update");
    let (learner, tape) = (learner(false), Tape::new());
    let turn = Turn {
        actor: true,
        targets: true,
        auxiliary: false,
    };
    let trace = sac(&learner, &tape)
        .update(&batch(&tape, &golden, ""), turn)
        .unwrap();
    let ran = run(&tape, if traced { &trace } else { &[] });
    let state = state(&learner);

    let dropped = Cell::new(Dropped::default());
    compare::all(&golden, "", |name| {
        if let Some(parameter) = name.strip_prefix("after.param.") {
            let result = parameter_after(&golden, parameter, "", &[""], &state, 2e-6);
            return Some(Verdict::Checked(
                result.map(|d| dropped.set(dropped.get().and(d))),
            ));
        }
        if name.starts_with("input.") || name.starts_with("noise.") {
            return Some(Verdict::Input);
        }
        if !traced {
            return Some(Verdict::LeftOut("compared with the trace kept"));
        }
        let tolerance = match name {
            _ if name.starts_with("out.") => Tolerance::Largest(2e-4),
            _ if name.starts_with("loss.") => Tolerance::Largest(1e-4),
            _ => Tolerance::Norm(2e-4),
        };
        Some(Verdict::Compare(ran.get(whole_name(name))?, tolerance))
    });
    dropped.get().assert_few();
}

/// Sabotages tried, each turns both tests red: the sign of the entropy term (target,
/// actor), Q1 instead of the `min` (target, actor), targets not updated, EMA rates
/// swapped, the CNN among what the actor's optimiser moves, features not detached.
#[test]
fn one_update_step_by_step() {
    update(true);
}

#[test]
fn one_update_as_training_compiles_it() {
    update(false);
}
