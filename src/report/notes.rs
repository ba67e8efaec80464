//! What a reader has to know about the tables.

use super::published::STEPS;
use super::results::{Results, RunResult};
use super::table::Table;
use crate::config::AgentKind;
use crate::shell::quoted;

/// What `published.csv` calls the paper.
const VISARL: &str = "ViSaRL table I";

/// Sentences to stand under the tables.
pub fn of(results: &Results, table: &Table) -> Vec<String> {
    let seeds = results.plan.grid.seeds.len();
    let over = match seeds {
        1 => "one seed, which has no deviation".to_owned(),
        n => format!("{n} seeds ± standard deviation of the sample (divided by n − 1)"),
    };
    let runs = results.plan.runs.iter();
    let episodes = range(runs.map(|run| results.plan.episodes(run) as u64));
    let return_of_a_run = match episodes.as_str() {
        "1" => "that of one episode".to_owned(),
        many => format!("its mean over {many} episodes"),
    };
    let mut notes = vec![format!(
        "Returns: mean over {over}. The return of a run is {return_of_a_run}, acting by the \
         policy's mean, or by the largest Q{}.",
        trained(results),
    )];
    if table.columns.len() > 1 {
        notes.push(
            "Δ: the lead of the best (bold) over the second best, and in per cent of that; only \
             in rows where no run is missing."
                .to_owned(),
        );
    }
    let sources = table.sources();
    if !sources.is_empty() {
        notes.push(format!(
            "Published: what papers report for the same task, look, agent and repetition of \
             actions{}, with their own settings. Sources: {}.",
            match sources[..] == [VISARL] {
                // Which does not print how many.
                true => String::new(),
                false => format!(" after {} agent steps", thousands(STEPS)),
            },
            cited(&sources)
        ));
    }
    if results
        .plan
        .grid
        .tasks
        .iter()
        .any(|task| task.starts_with("native/"))
    {
        notes.push(
            "The native worlds are foveate's own: their returns compare with those of no other \
             suite."
                .to_owned(),
        );
    }
    if !table.success.is_empty() {
        notes.push(
            "Success: episodes in which the task was done at any step, in per cent.".to_owned(),
        );
    }
    if results
        .plan
        .runs
        .iter()
        .any(|r| r.config.agent == AgentKind::Pad)
    {
        notes.push(
            "PAD adapts itself to each episode while it is evaluated, without rewards (foveate \
             eval --adapt), as where its returns are published."
                .to_owned(),
        );
    }
    let evaluated = |run: &&RunResult| run.outcome().is_some();
    if results.runs.iter().all(|run| run.animations.is_empty())
        && let Some(run) = results.runs.iter().find(evaluated)
    {
        let method = (run.run.config.encoder.explained_by())
            .map_or_else(String::new, |method| format!(" --method {method}"));
        notes.push(format!(
            "No run has an animation: foveate sweep --animations films the first seed of each \
             agent and task, foveate explain --run {}{method} this one.",
            quoted(&run.directory.display().to_string())
        ));
    }
    for run in results.runs.iter().filter(|run| !run.damage.is_empty()) {
        notes.push(format!(
            "Damaged and passed over, of run {}: {}.",
            run.run.name,
            run.damage.join("; ")
        ));
    }
    notes
}

/// `, after 7500 agent steps`, if there is a run that is done.
fn trained(results: &Results) -> String {
    let steps: Vec<u64> = (results.runs.iter())
        .filter_map(|run| run.outcome()?.step())
        .collect();
    match steps.is_empty() {
        true => String::new(),
        false => format!(", after {} agent steps", range(steps.into_iter())),
    }
}

fn range(values: impl Iterator<Item = u64> + Clone) -> String {
    match (values.clone().min(), values.max()) {
        (Some(least), Some(most)) if least < most => {
            format!("{} to {}", thousands(least), thousands(most))
        }
        (_, most) => thousands(most.unwrap_or(0)),
    }
}

/// `500,000`
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Each paper once, with its tables.
fn cited(sources: &[&str]) -> String {
    let tables = sources.iter().filter_map(|s| s.strip_prefix("SGQN table "));
    let tables: Vec<&str> = tables.collect();
    let mut papers = vec![];
    if !tables.is_empty() {
        papers.push(format!(
            "SGQN (Bertoin, Zouitine, Zouitine and Rachelson 2022), table {}",
            tables.join(", ")
        ));
    }
    if sources.contains(&"SVEA") {
        papers.push("SVEA (Hansen, Su and Wang 2021), as in the benchmark's README".to_owned());
    }
    if sources.contains(&VISARL) {
        papers.push(
            "ViSaRL (Liang, Thomason and Bıyık 2024), table I, in tasks of version 2".to_owned(),
        );
    }
    papers.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        let texts = [0, 999, 1_000, 12_345, 500_000, 1_000_000].map(thousands);
        assert_eq!(
            texts,
            ["0", "999", "1,000", "12,345", "500,000", "1,000,000"]
        );
        assert_eq!(range([20, 20].into_iter()), "20");
        assert_eq!(range([5_000, 20].into_iter()), "20 to 5,000");
    }

    #[test]
    fn every_paper_is_cited_once() {
        let text = cited(&["SGQN table 1", "SGQN table 5", "SVEA"]);
        assert!(text.contains("2022), table 1, 5; SVEA (Hansen"), "{text}");
        assert_eq!(text.matches("Bertoin").count(), 1);
    }
}
