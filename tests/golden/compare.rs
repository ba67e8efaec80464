//! Comparing with a fixture, tensor by tensor, until none is left.

use crate::common::golden::Golden;

/// How far a tensor may be from the fixture's.
#[derive(Debug, Clone, Copy)]
pub enum Tolerance {
    /// max |x − ref| / max |ref|.
    Largest(f64),
    /// ‖x − ref‖ / ‖ref‖.
    Norm(f64),
    /// max |x − ref|.
    Absolute(f64),
    /// Number of elements that differ at all.
    Different(usize),
}

/// What to do with a tensor of a fixture.
pub enum Verdict {
    /// The device computed this. For `x.sub13` and `x.stats` it is the whole of x.
    Compare(Vec<f32>, Tolerance),
    /// Compared by a rule of its own, with this result.
    Checked(Result<(), String>),
    /// What the computation was given.
    Input,
    /// Not compared, for this reason.
    LeftOut(&'static str),
}

/// Every 13th element: what fixtures keep of tensors of more than 16,384.
pub fn every_13th(x: &[f32]) -> Vec<f32> {
    x.iter().copied().step_by(13).collect()
}

/// The name of a tensor without the mark of how a fixture abridges it.
pub fn whole_name(name: &str) -> &str {
    let name = name.strip_suffix(".sub13").unwrap_or(name);
    name.strip_suffix(".stats").unwrap_or(name)
}

/// Goes through all tensors of a fixture (those with this prefix; `judge` gets their
/// names without it). Fails, naming every tensor that does not fit, unless each is
/// accounted for. `judge` returns `None` for names it does not know.
pub fn all(golden: &Golden, prefix: &str, judge: impl Fn(&str) -> Option<Verdict>) {
    let (mut compared, mut failures) = (0, vec![]);
    for full in golden.names() {
        let Some(name) = full.strip_prefix(prefix) else {
            continue;
        };
        let result = match judge(name) {
            Some(Verdict::Compare(x, tolerance)) => {
                compared += 1;
                one(golden, &full, &x, tolerance)
            }
            Some(Verdict::Checked(result)) => {
                compared += 1;
                result
            }
            Some(Verdict::Input) => Ok(()),
            Some(Verdict::LeftOut(reason)) => {
                assert!(!reason.is_empty());
                Ok(())
            }
            None => Err("nothing to compare it with".to_string()),
        };
        if let Err(message) = result {
            failures.push(format!("{full}: {message}"));
        }
    }
    assert!(compared > 0, "nothing was compared");
    assert!(
        failures.is_empty(),
        "{} of {compared} tensors:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

fn one(golden: &Golden, name: &str, x: &[f32], tolerance: Tolerance) -> Result<(), String> {
    let expected = golden.array(name).data;
    if name.ends_with(".stats") {
        return statistics(x.iter().map(|&v| f64::from(v)), &expected);
    }
    if name.ends_with(".sub13") {
        return close(&every_13th(x), &expected, tolerance);
    }
    close(x, &expected, tolerance)
}

/// Ok if x is within the tolerance.
pub fn close(x: &[f32], expected: &[f64], tolerance: Tolerance) -> Result<(), String> {
    if x.len() != expected.len() {
        return Err(format!("{} elements, not {}", x.len(), expected.len()));
    }
    if let Some(v) = x.iter().find(|v| !v.is_finite()) {
        return Err(format!("an element is {v}"));
    }
    let differences = || (x.iter().zip(expected)).map(|(a, b)| (f64::from(*a) - b).abs());
    let largest = |v: &mut dyn Iterator<Item = f64>| v.fold(0.0, f64::max);
    let norm = |v: &mut dyn Iterator<Item = f64>| v.map(|d| d * d).sum::<f64>().sqrt();
    // Where the reference is all zero, so must x be.
    let tiny = f64::MIN_POSITIVE;
    let (error, allowed) = match tolerance {
        Tolerance::Largest(t) => {
            let scale = largest(&mut expected.iter().map(|v| v.abs()));
            (largest(&mut differences()) / scale.max(tiny), t)
        }
        Tolerance::Norm(t) => {
            let scale = norm(&mut expected.iter().copied());
            (norm(&mut differences()) / scale.max(tiny), t)
        }
        Tolerance::Absolute(t) => (largest(&mut differences()), t),
        Tolerance::Different(n) => (differences().filter(|d| *d != 0.0).count() as f64, n as f64),
    };
    if error <= allowed {
        return Ok(());
    }
    Err(format!("error {error:.2e}, allowed {tolerance:?}"))
}

/// Compares [Σx, Σ|x|, √Σx², max |x|]: the sum to 2e-5 of the sum of magnitudes, the
/// others to 2e-4.
pub fn statistics(x: impl Iterator<Item = f64>, expected: &[f64]) -> Result<(), String> {
    statistics_within(x, expected, 0.0)
}

/// The same, the sum off by up to `slack` more.
pub fn statistics_within(
    x: impl Iterator<Item = f64>,
    expected: &[f64],
    slack: f64,
) -> Result<(), String> {
    let mut got = [0.0f64; 4];
    for v in x {
        got[0] += v;
        got[1] += v.abs();
        got[2] += v * v;
        got[3] = got[3].max(v.abs());
    }
    got[2] = got[2].sqrt();
    let allowed = [2e-5 * expected[1] + slack]
        .into_iter()
        .chain(expected[1..].iter().map(|v| 2e-4 * v));
    for ((g, e), a) in got.iter().zip(expected).zip(allowed) {
        if !g.is_finite() || (g - e).abs() > a {
            return Err(format!("statistics {got:?} instead of {expected:?}"));
        }
    }
    Ok(())
}
