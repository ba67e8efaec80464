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
        let apart = runs.iter().map(|r| r.run.config.eval_freq).min();
        let (points, spread) = over_seeds(&done, apart.unwrap_or(1) as f64 / 2.0);
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

/// The evaluations that every seed has at the same step, or up to `near` steps from it
/// (they are due at the first end of an episode after so many steps): at the mean of their
/// steps their mean and their deviation, NaN of one seed. One that a seed lacks, because it
/// failed there, leaves a gap and moves no other.
fn over_seeds(seeds: &[&[(f64, f64)]], near: f64) -> (Vec<(f64, f64)>, Vec<f64>) {
    let mut points = vec![];
    let mut spread = vec![];
    let Some((first, others)) = seeds.split_first() else {
        return (points, spread);
    };
    for &(at, value) in *first {
        let mut here = vec![(at, value)];
        for other in others {
            let nearest =
                (other.iter()).min_by(|a, b| (a.0 - at).abs().total_cmp(&(b.0 - at).abs()));
            here.extend(nearest.filter(|(step, _)| (step - at).abs() <= near));
        }
        if here.len() < seeds.len() {
            continue;
        }
        let (steps, returns): (Vec<f64>, Vec<f64>) = here.into_iter().unzip();
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
    fn evaluations_are_joined_by_their_steps() {
        let (a, b) = (
            [(10.0, 1.0), (20.0, 5.0), (30.0, 9.0)],
            [(10.0, 3.0), (22.0, 5.0)],
        );
        let (points, spread) = over_seeds(&[&a, &b], 5.0);
        assert_eq!(points, [(10.0, 2.0), (21.0, 5.0)]);
        // Of 1 and 3: √((1 + 1) / 1).
        assert!((spread[0] - 2f64.sqrt()).abs() < 1e-12);
        assert_eq!(spread[1], 0.0);

        // A seed whose second evaluation failed.
        let gap = [(10.0, 3.0), (30.0, 5.0)];
        for seeds in [[&a[..], &gap[..]], [&gap[..], &a[..]]] {
            assert_eq!(over_seeds(&seeds, 5.0).0, [(10.0, 2.0), (30.0, 7.0)]);
        }

        let (points, spread) = over_seeds(&[&b], 5.0);
        assert_eq!(points, b);
        assert!(spread.iter().all(|s| s.is_nan()));
        assert_eq!(over_seeds(&[], 5.0), (vec![], vec![]));
    }
}
