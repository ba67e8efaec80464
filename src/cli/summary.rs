//! What is computed from returns and from `metrics.jsonl`.

use std::path::Path;

use serde_json::{Value, json};

use super::error::CliError;
use crate::agents::evaluate::Episode;
use crate::media::curve::{Curve, Series};
use crate::report::statistics;
use crate::run::metrics::{self, Row, points};

/// Episodes whose mean is the smoothed line of a learning curve.
const SMOOTH: usize = 10;

/// Returns of whole episodes.
#[derive(Debug, Clone)]
pub(super) struct Returns(pub Vec<f32>);

/// The returns of episodes.
pub(super) fn returns_of(episodes: &[Episode]) -> Returns {
    Returns(episodes.iter().map(|episode| episode.value).collect())
}

impl Returns {
    pub fn mean(&self) -> f64 {
        statistics::mean(&self.values()).unwrap_or(0.0)
    }

    /// Standard deviation of the sample (divided by n − 1); 0 of fewer than two.
    pub fn std(&self) -> f64 {
        statistics::deviation(&self.values()).unwrap_or(0.0)
    }

    fn values(&self) -> Vec<f64> {
        self.0.iter().copied().map(f64::from).collect()
    }

    pub fn to_json(&self) -> Value {
        json!({
            "mean": self.mean(),
            "std": self.std(),
            "episodes": self.0.len(),
            "returns": self.0,
        })
    }
}

/// (train − random) / (expert − random); none where the expert is no better than chance.
pub(super) fn normalised(train: f64, random: f64, expert: f64) -> Option<f64> {
    (expert > random).then(|| (train - random) / (expert - random))
}

/// The lines of `metrics.jsonl`; none if there is no such file yet.
pub(super) fn rows(path: &Path) -> Result<Vec<Row>, CliError> {
    if !path.exists() {
        return Ok(vec![]);
    }
    Ok(metrics::read(path)?)
}

/// Seconds of training that the lines tell of, by however many processes: each counts on
/// from where the one before it stopped.
pub(super) fn seconds_of(rows: &[Row]) -> f64 {
    let last = rows.last().and_then(|row| row.get("seconds")?.as_f64());
    last.unwrap_or(0.0)
}

/// The learning curve that the lines tell of.
pub(super) fn curve(title: String, rows: &[Row], references: Vec<(String, f64)>) -> Curve {
    Curve {
        title,
        x_label: "agent steps".to_string(),
        y_label: "return".to_string(),
        episodes: points(rows, "episode", "return"),
        smooth: SMOOTH,
        evaluations: vec![Series {
            label: "evaluation (train)".to_string(),
            points: points(rows, "eval", "train"),
            ..Default::default()
        }],
        references,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(text: &str) -> Row {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn spread_is_that_of_a_sample() {
        let returns = Returns(vec![1.0, 2.0, 3.0, 6.0]);
        assert_eq!(returns.mean(), 3.0);
        assert!((returns.std() - (14.0f64 / 3.0).sqrt()).abs() < 1e-12);
        assert_eq!(Returns(vec![5.0]).std(), 0.0);
        assert_eq!(Returns(vec![]).mean(), 0.0);
    }

    #[test]
    fn a_useless_expert_normalises_nothing() {
        assert_eq!(normalised(60.0, 20.0, 100.0), Some(0.5));
        assert_eq!(normalised(60.0, 20.0, 20.0), None);
    }

    #[test]
    fn the_last_line_tells_the_time() {
        let rows = [3.0, 8.0, 9.5].map(|s| row(&format!("{{\"seconds\":{s}}}")));
        assert_eq!(seconds_of(&rows), 9.5);
        assert_eq!(seconds_of(&[]), 0.0);
    }

    #[test]
    fn a_curve_takes_what_is_of_its_kind() {
        let rows = [
            row(r#"{"step":50,"kind":"episode","return":20.0,"seconds":1}"#),
            row(r#"{"step":50,"kind":"train","critic_loss":0.5,"seconds":1}"#),
            row(r#"{"step":60,"kind":"eval","train":30.0,"seconds":2}"#),
            row(r#"{"step":70,"kind":"episode","return":null,"seconds":3}"#),
        ];
        let curve = curve("title".into(), &rows, vec![]);
        assert_eq!(curve.episodes, [(50.0, 20.0)]);
        assert_eq!(curve.evaluations[0].points, [(60.0, 30.0)]);
    }
}
