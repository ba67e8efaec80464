//! Maps against the truth: `foveate explain --score`.

use std::path::Path;

use serde_json::{Value, json};

use super::attention::Newest;
use super::episode::{Episode, Moment};
use super::error::CliError;
use super::output::table;
use super::session::Trained;
use crate::config::Config;
use crate::envs::native::{IDS, Mode};
use crate::gpu::Gpu;
use crate::media::MediaError;
use crate::run::RunDirectory;
use crate::saliency::{MeanScore, Method, Score};

/// Whether there is a truth for the agent in `run`, before anything is opened. What cannot
/// be read is for others to tell.
///
/// # Errors
/// [`CliError::NoTruth`] where nothing says what is there.
pub(super) fn check(run: &Path) -> Result<(), CliError> {
    let directory = RunDirectory::open(run);
    let config = directory.ok().and_then(|d| Config::read(&d.config()).ok());
    match config.filter(|config| !config.env.starts_with("native/")) {
        Some(config) => Err(CliError::NoTruth {
            run: run.to_path_buf(),
            env: config.env,
            known: IDS.join(", "),
        }),
        None => Ok(()),
    }
}

/// The scores of every agent, method and look.
pub(super) struct Scores<'a> {
    runs: &'a [Trained],
    labels: &'a [String],
    methods: &'a [Method],
    modes: &'a [Mode],
    /// Of run, method and look, the last the quickest.
    means: Vec<MeanScore>,
}

/// The heads of the columns of numbers.
const COLUMNS: [&str; 5] = ["pointing", "precision", "recall", "auc", "chance"];
/// The heads of the columns behind them: moments, and how many have an empty map.
const COUNTS: [&str; 2] = ["moments", "empty"];

impl<'a> Scores<'a> {
    /// Scores the maps of an episode's moments, also given to `each`.
    ///
    /// # Errors
    /// Those of the episode.
    pub fn measure(
        gpu: &Gpu,
        episode: &'a Episode<'a>,
        labels: &'a [String],
        quiet: bool,
        each: &mut dyn FnMut(&Moment),
    ) -> Result<Scores<'a>, CliError> {
        let (runs, methods, modes) = (episode.runs, episode.methods, episode.modes);
        let mut scores = Scores {
            runs,
            labels,
            methods,
            modes,
            means: vec![MeanScore::default(); runs.len() * methods.len() * modes.len()],
        };
        episode.watch(gpu, quiet, &mut |moment| {
            scores.add(moment)?;
            each(moment);
            Ok(())
        })?;
        Ok(scores)
    }

    fn add(&mut self, moment: &Moment) -> Result<(), MediaError> {
        let mut means = self.means.iter_mut();
        for (trained, sight) in self.runs.iter().zip(&moment.sights) {
            let truth = sight.truth.as_deref().unwrap_or_default();
            let truth: Vec<bool> = truth.iter().map(|&v| v > 0).collect();
            for explanation in sight.explained.iter().flatten() {
                let newest = Newest::of(explanation, trained.config.image_size)?;
                let mask: Vec<bool> = newest.mask.iter().map(|&v| v > 0.5).collect();
                if let Some(mean) = means.next() {
                    mean.add(Score::of(&newest.map, &mask, &truth));
                }
            }
        }
        Ok(())
    }

    /// The rows: agent, method, look and mean.
    fn rows(&self) -> impl Iterator<Item = (usize, &Method, &Mode, &MeanScore)> {
        let places = (0..self.runs.len()).flat_map(move |run| {
            let methods = self.methods.iter();
            methods.flat_map(move |method| self.modes.iter().map(move |mode| (run, method, mode)))
        });
        places.zip(&self.means).map(|((r, a, b), c)| (r, a, b, c))
    }

    /// A table for people: shares, of `moments` each.
    pub fn to_table(&self) -> String {
        let mut rows = vec![["agent", "method", "look"].map(str::to_string).to_vec()];
        rows[0].extend(COLUMNS.map(str::to_string));
        rows[0].extend(COUNTS.map(str::to_string));
        for (run, method, mode, mean) in self.rows() {
            let mut row = vec![
                self.labels[run].clone(),
                method.name().to_string(),
                mode.to_string(),
            ];
            row.extend(numbers(mean).map(|v| v.map_or("–".to_string(), |v| format!("{v:.3}"))));
            row.extend(counts(mean));
            rows.push(row);
        }
        let numbers = COLUMNS.len() + COUNTS.len();
        let right = [vec![false; 3], vec![true; numbers]].concat();
        table(&rows, &right)
    }

    /// Comma-separated values, with a head.
    pub fn to_csv(&self) -> String {
        let head = [
            &["agent", "run", "step", "method", "look"],
            &COLUMNS[..],
            &COUNTS[..],
        ];
        let mut lines = vec![head.concat().join(",")];
        for (run, method, mode, mean) in self.rows() {
            let trained = &self.runs[run];
            let root = trained.directory.root().display().to_string();
            let mut cells = vec![
                quoted(&trained.config.agent.to_string()),
                quoted(&root),
                trained.step.to_string(),
                method.name().to_string(),
                mode.to_string(),
            ];
            cells.extend(numbers(mean).map(|v| v.map_or(String::new(), |v| v.to_string())));
            cells.extend(counts(mean));
            lines.push(cells.join(","));
        }
        lines.join("\n")
    }

    /// All of it, with what the methods' options were.
    pub fn to_json(&self) -> Value {
        let rows: Vec<Value> = self
            .rows()
            .map(|(run, method, mode, mean)| {
                let trained = &self.runs[run];
                let [pointing, precision, recall, auc, chance] = numbers(mean);
                json!({
                    "agent": trained.config.agent,
                    "run": trained.directory.root().display().to_string(),
                    "env": trained.config.env,
                    "step": trained.step,
                    "method": method.name(),
                    "options": method.options(),
                    "look": mode.to_string(),
                    "rho": trained.config.rho,
                    "pointing": pointing,
                    "precision": precision,
                    "recall": recall,
                    "auc": auc,
                    "chance": chance,
                    "moments": mean.pictures,
                    "empty": mean.empty(),
                    "moments_without_truth": mean.without,
                })
            })
            .collect();
        Value::Array(rows)
    }
}

fn numbers(mean: &MeanScore) -> [Option<f64>; 5] {
    let score = mean.mean();
    [
        score.map(|s| s.pointing),
        score.map(|s| s.precision),
        score.map(|s| s.recall),
        score.map(|s| s.auc),
        score.map(|s| s.chance),
    ]
}

fn counts(mean: &MeanScore) -> [String; 2] {
    [mean.pictures, mean.empty()].map(|count| count.to_string())
}

/// A cell that may hold commas.
fn quoted(cell: &str) -> String {
    match cell.contains([',', '"', '\n']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_with_commas_are_quoted() {
        assert_eq!(quoted("a b"), "a b");
        assert_eq!(quoted("a,\"b\""), "\"a,\"\"b\"\"\"");
    }
}
