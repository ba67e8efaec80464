//! `ema`: target networks follow online networks as exponential moving averages.

use std::ops::Range;

use super::state::{is_flat_f32, require_state};
use super::{Lower, Op, TapeError, Tensor, Var, shape_error};

/// Segments that the shader takes; neighbours of one rate are one.
const MAX_SEGMENTS: usize = 8;

/// Names of a segment's parameters in the shader.
const NAMES: [[&str; 5]; MAX_SEGMENTS] = [
    ["online_0", "target_0", "length_0", "tau_0", "keep_0"],
    ["online_1", "target_1", "length_1", "tau_1", "keep_1"],
    ["online_2", "target_2", "length_2", "tau_2", "keep_2"],
    ["online_3", "target_3", "length_3", "tau_3", "keep_3"],
    ["online_4", "target_4", "length_4", "tau_4", "keep_4"],
    ["online_5", "target_5", "length_5", "tau_5", "keep_5"],
    ["online_6", "target_6", "length_6", "tau_6", "keep_6"],
    ["online_7", "target_7", "length_7", "tau_7", "keep_7"],
];

/// Elements that follow at one rate.
#[derive(Debug, Clone, PartialEq)]
pub struct EmaSegment {
    /// Elements of the online tensor.
    pub online: Range<usize>,
    /// The elements of the target that follow them; as many.
    pub target: Range<usize>,
    /// The share of the online value in the new target, in 0..=1.
    pub tau: f32,
}

/// Inputs: target and online, flat f32.
#[derive(Debug)]
struct Ema(Vec<EmaSegment>);

fn wrong(message: String) -> TapeError {
    TapeError::Option { op: "ema", message }
}

/// Checks the segments and joins those that continue each other at the same rate.
fn join(
    segments: &[EmaSegment],
    target: usize,
    online: usize,
) -> Result<Vec<EmaSegment>, TapeError> {
    let mut joined: Vec<EmaSegment> = vec![];
    for s in segments {
        let inside = |r: &Range<usize>, len: usize| r.start < r.end && r.end <= len;
        if !inside(&s.online, online)
            || !inside(&s.target, target)
            || s.online.len() != s.target.len()
        {
            return Err(wrong(format!(
                "segment {:?} -> {:?}; expected non-empty ranges of equal length within {online} and {target} elements",
                s.online, s.target
            )));
        }
        if !(0.0..=1.0).contains(&s.tau) {
            return Err(wrong(format!("tau is {}; it must lie in 0..=1", s.tau)));
        }
        match joined.last_mut() {
            Some(last) if last.target.end > s.target.start => {
                return Err(wrong(format!(
                    "segments {:?} and {:?} of the target are not in ascending order, apart",
                    last.target, s.target
                )));
            }
            Some(last)
                if last.target.end == s.target.start
                    && last.online.end == s.online.start
                    && last.tau == s.tau =>
            {
                last.target.end = s.target.end;
                last.online.end = s.online.end;
            }
            _ => joined.push(s.clone()),
        }
    }
    if joined.is_empty() || joined.len() > MAX_SEGMENTS {
        return Err(wrong(format!(
            "{} segments after joining neighbours of one tau; expected 1 to {MAX_SEGMENTS}",
            joined.len()
        )));
    }
    Ok(joined)
}

impl Op for Ema {
    fn name(&self) -> &'static str {
        "ema"
    }

    fn infer(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, TapeError> {
        match inputs {
            [target, online]
                if is_flat_f32(target, target.len()) && is_flat_f32(online, online.len()) =>
            {
                Ok(vec![])
            }
            _ => Err(shape_error("ema", inputs, "target and online as flat f32")),
        }
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), TapeError> {
        let (target, online) = (cx.input(0), cx.input(1));
        let start = self.0.first().map_or(0, |s| s.target.start);
        let end = self.0.last().map_or(0, |s| s.target.end);
        // Four elements at a time where every segment begins and ends so.
        let whole = |s: &EmaSegment| {
            [s.online.start, s.target.start, s.target.end]
                .iter()
                .all(|n| n.is_multiple_of(4))
        };
        let fours = self.0.iter().all(whole)
            && target.tensor.len().is_multiple_of(4)
            && online.tensor.len().is_multiple_of(4);
        let (key, unit) = if fours {
            ("ema/ema.quads", 4)
        } else {
            ("ema/ema", 1)
        };
        let mut dispatch = cx
            .dispatch(key)
            .bind_part("y", &target, end - start)
            .bind_part("x", &online, end - start)
            .u32("start", start / unit)
            .u32("count", (end - start) / unit);
        for (i, [from, to, length, tau, keep]) in NAMES.into_iter().enumerate() {
            // What is not used is empty: no element lies in it.
            let none = EmaSegment {
                online: 0..0,
                target: 0..0,
                tau: 0.0,
            };
            let s = self.0.get(i).unwrap_or(&none);
            dispatch = dispatch
                .u32(from, s.online.start / unit)
                .u32(to, s.target.start / unit)
                .u32(length, s.target.len() / unit)
                .f32(tau, s.tau)
                .f32(keep, (1.0 - f64::from(s.tau)) as f32);
        }
        dispatch.linear((end - start) / unit)
    }

    fn writes(&self) -> &[usize] {
        &[0]
    }
}

impl Var {
    /// θ̄ ← τθ + (1−τ)θ̄ where `self`, state `f32[M]`, is θ̄ and `online`, state `f32[N]`, is θ:
    /// one dispatch for all segments. Ranges count from the start of the two values;
    /// they ascend in the target and do not overlap. What lies in no segment stays.
    /// Neighbours that continue each other at one τ count as one; at most 8 remain.
    ///
    /// `self` and `online` must not share elements. Errors: not flat f32 state, ranges
    /// outside or out of order, τ outside 0..=1.
    pub fn ema(&self, online: &Var, segments: &[EmaSegment]) -> Result<(), TapeError> {
        require_state("ema", "the target", self)?;
        require_state("ema", "the online tensor", online)?;
        let joined = join(segments, self.len(), online.len())?;
        Var::record(Ema(joined), &[self, online]).map(|_| ())
    }
}
