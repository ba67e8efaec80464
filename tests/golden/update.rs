//! What the tests of one and of several updates share: the batch of a step, and the
//! rules for parameters after Adam steps.

use std::collections::HashMap;

use foveate::agents::sac::Batch;
use foveate::tape::Tape;

use crate::common::golden::Golden;
use crate::compare::{Tolerance, close, every_13th, statistics, statistics_within, whole_name};
use crate::setup::*;

/// The transitions and the noise of a step, tensors `{prefix}input.index`, ….
/// A step without an actor update has no noise for one; it gets zeros.
pub fn batch(tape: &Tape, golden: &Golden, prefix: &str) -> Batch {
    let index = format!("{prefix}input.index");
    let row = |what: &str| rows(tape, what, golden, &index);
    let actor_noise = format!("{prefix}noise.eps_actor");
    Batch {
        obs: row("obs"),
        next_obs: row("next_obs"),
        action: row("action"),
        reward: row("reward"),
        not_done: row("not_done"),
        next_noise: constant(tape, golden, &format!("{prefix}noise.eps_next")),
        actor_noise: match golden.has(&actor_noise) {
            true => constant(tape, golden, &actor_noise),
            false => tape.full(&[BATCH, shape().action_dim], 0.0),
        },
    }
}

/// The optimisers that move a parameter: the name of their step, and the learning rate.
fn steps_of(parameter: &str) -> Vec<(&'static str, f64)> {
    let auxiliary = ("aux_step", 3e-4);
    match parameter {
        _ if parameter.starts_with("actor.") => vec![("actor_step", 1e-3)],
        _ if parameter.starts_with("attribution_predictor.") => vec![auxiliary],
        _ if parameter.starts_with("critic.encoder.") => vec![("critic_step", 1e-3), auxiliary],
        _ => vec![("critic_step", 1e-3)],
    }
}

/// Counts of compared and of dropped elements.
#[derive(Debug, Default, Clone, Copy)]
pub struct Dropped {
    pub elements: usize,
    pub dropped: usize,
}

impl Dropped {
    /// The sum of both.
    pub fn and(self, other: Dropped) -> Dropped {
        Dropped {
            elements: self.elements + other.elements,
            dropped: self.dropped + other.dropped,
        }
    }

    /// Fails if so much was dropped that the comparison says little. The released
    /// numbers lose 0.1 to 5 % in this way.
    pub fn assert_few(self) {
        assert!(self.elements > 0, "no parameter was compared");
        assert!(20 * self.dropped <= self.elements, "{self:?}");
    }
}

/// Compares a parameter after updates with the fixture's `{prefix}after.param.{name}`.
///
/// Adam's first steps are ±lr · g / (|g| + ε): where |g| is a rounding error, the step
/// is noise. So only elements are compared for which every gradient of `history`, the
/// prefixes of the steps so far, is 0 or at least 1e-4 of its tensor's largest; the
/// others must only have moved no farther than Adam can. Of target networks the same
/// elements are compared as of the networks that they follow.
pub fn parameter_after(
    golden: &Golden,
    name: &str,
    prefix: &str,
    history: &[&str],
    state: &HashMap<String, Vec<f32>>,
    absolute: f64,
) -> Result<Dropped, String> {
    let full = format!("{prefix}after.param.{name}");
    let parameter = whole_name(name);
    let (_, start) = Golden::open("sgqn/params").f32(&format!("param.{parameter}"));
    let after = state.get(parameter).ok_or("the learner lacks it")?;
    let expected = golden.array(&full).data;
    if name.ends_with(".stats") {
        let moved = after.iter().zip(&start);
        let moved = moved.map(|(a, s)| f64::from(*a) - f64::from(*s));
        return statistics(moved, &expected).map(|()| Dropped::default());
    }
    if parameter == "log_alpha" {
        return close(after, &expected, Tolerance::Absolute(1e-6)).map(|()| Dropped::default());
    }
    let (after, start) = match name.ends_with(".sub13") {
        true => (every_13th(after), every_13th(&start)),
        false => (after.clone(), start),
    };
    let online = name.replacen("critic_target.", "critic.", 1);
    let mut gradients = vec![];
    let mut farthest = 0.0;
    for (step, rate) in steps_of(whole_name(&online)) {
        for past in history {
            let gradient = format!("{past}grad.{step}.{online}");
            if !golden.has(&gradient) {
                continue;
            }
            farthest += 2.0 * rate;
            gradients.push(golden.array(&gradient).data);
        }
    }
    if gradients.is_empty() {
        return Err("the fixture has no gradient of it".to_string());
    }
    let moved = Moved {
        start: &start,
        after: &after,
        expected: &expected,
        farthest,
        // Targets follow by two averages at the faster rate, 0.05.
        share: name.starts_with("critic_target.").then_some(0.1),
    };
    moved.compare(&gradients, absolute)
}

/// A parameter before and after Adam steps.
pub struct Moved<'a> {
    pub start: &'a [f32],
    pub after: &'a [f32],
    pub expected: &'a [f64],
    /// How far Adam can have moved an element.
    pub farthest: f64,
    /// Of a target network: the share of that by which it can have followed.
    pub share: Option<f64>,
}

impl Moved<'_> {
    /// Compares the elements whose step is no noise, as [`parameter_after`] says.
    pub fn compare(&self, gradients: &[Vec<f64>], absolute: f64) -> Result<Dropped, String> {
        let mut meaningful = vec![true; self.after.len()];
        for g in gradients {
            let least = 1e-4 * g.iter().fold(0.0f64, |m, v| m.max(v.abs()));
            for (m, g) in meaningful.iter_mut().zip(g) {
                *m &= *g == 0.0 || g.abs() >= least;
            }
        }
        let mut count = Dropped {
            elements: self.after.len(),
            dropped: 0,
        };
        let (mut kept, mut kept_expected) = (vec![], vec![]);
        for (i, m) in meaningful.iter().enumerate() {
            if *m {
                kept.push(self.after[i]);
                kept_expected.push(self.expected[i]);
                continue;
            }
            count.dropped += 1;
            // Adam bounds both ways from the same start.
            let moved = f64::from(self.after[i]) - f64::from(self.start[i]);
            let difference = (f64::from(self.after[i]) - self.expected[i]).abs();
            let (distance, allowed) = match self.share {
                Some(share) => (difference, share * 2.0 * self.farthest),
                None => (moved.abs(), self.farthest),
            };
            if !distance.is_finite() || distance > allowed {
                return Err(format!("element {i}: {distance:.2e} > {allowed:.2e}"));
            }
        }
        close(&kept, &kept_expected, Tolerance::Absolute(absolute)).map(|()| count)
    }
}

/// What the tests of one auxiliary step (CURL, SODA) share: a parameter of its optimiser,
/// whose gradient the fixture has, against `after.param.{name}`. `start` are the values
/// before it, `rate` is Adam's.
pub fn after_one_step(
    golden: &Golden,
    name: &str,
    start: &[f32],
    after: &[f32],
    rate: f64,
) -> Result<Dropped, String> {
    let expected = golden.array(&format!("after.param.{name}")).data;
    if name.ends_with(".stats") {
        let moved = (after.iter().zip(start)).map(|(a, s)| f64::from(*a) - f64::from(*s));
        // One element whose gradient is a rounding error may have stepped the other way.
        let result = statistics_within(moved, &expected, 2.0 * rate);
        return result.map(|()| Dropped::default());
    }
    let (start, after) = match name.ends_with(".sub13") {
        true => (every_13th(start), every_13th(after)),
        false => (start.to_vec(), after.to_vec()),
    };
    let moved = Moved {
        start: &start,
        after: &after,
        expected: &expected,
        farthest: 2.0 * rate,
        share: None,
    };
    moved.compare(&[golden.array(&format!("grad.param.{name}")).data], 2e-6)
}
