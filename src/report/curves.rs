//! Learning curves: return over steps, mean and deviation over seeds.

use super::results::{Results, RunResult};
use super::statistics;
use crate::media::curve::{Curve, Series};

/// One curve for each task: the evaluations of every column in the look of training.
/// Tasks that no finished run was evaluated on have none.
pub fn of(results: &Results) -> Vec<(String, Curve)> {
    let tasks = results.plan.grid.tasks.iter();
    tasks
        .filter_map(|task| Some((task.clone(), of_task(results, task)?)))
        .collect()
}

fn of_task(results: &Results, task: &str) -> Option<Curve> {
    let mut evaluations = vec![];
    for column in results.plan.columns() {
        let runs: Vec<&RunResult> = results.of(task, &column).collect();
        // Of those that are not done, nobody knows how they would have gone on.
        let done: Vec<&[(f64, f64)]> = (runs.iter())
            .filter(|run| run.outcome().is_some() && !run.evaluations.is_empty())
            .map(|run| run.evaluations.as_slice())
            .collect();
        let (points, spread) = over_seeds(&done);
        let label = match (done.len(), runs.len()) {
            (n, m) if n == m => column,
            (0, _) => format!("{column} (missing)"),
            (n, m) => format!("{column} ({n} of {m})"),
        };
        evaluations.push(Series {
            label,
            points,
            spread,
        });
    }
    let shown = evaluations.iter().any(|series| !series.points.is_empty());
    shown.then(|| Curve {
        title: title(results, task),
        x_label: "agent steps".to_owned(),
        y_label: "return".to_owned(),
        evaluations,
        ..Default::default()
    })
}

fn title(results: &Results, task: &str) -> String {
    match results.plan.grid.seeds.len() {
        1 => format!("{task}: evaluations in look train, one seed"),
        n => format!("{task}: evaluations in look train, mean ± deviation over {n} seeds"),
    }
}

/// The n-th evaluation of every seed together: at the mean of their steps (they are due at
/// the first end of an episode after so many steps, which in most worlds is the same step)
/// their mean and their deviation, NaN of one seed. Ends with the shortest.
fn over_seeds(seeds: &[&[(f64, f64)]]) -> (Vec<(f64, f64)>, Vec<f64>) {
    let shortest = seeds.iter().map(|points| points.len()).min().unwrap_or(0);
    let mut points = vec![];
    let mut spread = vec![];
    for n in 0..shortest {
        let of = |part: fn(&(f64, f64)) -> f64| -> Vec<f64> {
            (seeds.iter().filter_map(|s| s.get(n)).map(part)).collect()
        };
        let (steps, returns) = (of(|p| p.0), of(|p| p.1));
        if let (Some(step), Some(value)) = (statistics::mean(&steps), statistics::mean(&returns)) {
            points.push((step, value));
            spread.push(statistics::deviation(&returns).unwrap_or(f64::NAN));
        }
    }
    (points, spread)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evaluations_are_joined_one_by_one() {
        let (a, b) = (
            [(10.0, 1.0), (20.0, 5.0), (30.0, 9.0)],
            [(10.0, 3.0), (22.0, 5.0)],
        );
        let (points, spread) = over_seeds(&[&a, &b]);
        assert_eq!(points, [(10.0, 2.0), (21.0, 5.0)]);
        // Of 1 and 3: √((1 + 1) / 1).
        assert!((spread[0] - 2f64.sqrt()).abs() < 1e-12);
        assert_eq!(spread[1], 0.0);

        let (points, spread) = over_seeds(&[&b]);
        assert_eq!(points, b);
        assert!(spread.iter().all(|s| s.is_nan()));
        assert_eq!(over_seeds(&[]), (vec![], vec![]));
    }
}
