//! Returns side by side, as in the SGQN paper: tasks in rows, for each look; agents in
//! columns.

use super::published::{self, Metric, Published};
use super::results::{Results, RunResult};
use super::statistics::{self, Lead};
use crate::envs::native::Mode;
use crate::sweep::{End, State};

/// The suite whose tasks all return 0 to 1,000, so that their average says something.
const AVERAGED: &str = "dm_control/";

/// All rows, looks in the grid's order and tasks within.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    pub columns: Vec<String>,
    pub rows: Vec<Row>,
    /// The same of success, in per cent of the episodes; only of tasks that speak of it.
    pub success: Vec<Row>,
}

/// A task in a look, or the average of tasks in a look.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub look: Mode,
    /// The task; none: the average over all tasks of dm_control.
    pub task: Option<String>,
    /// One for each column.
    pub cells: Vec<Cell>,
    /// Who leads; none while anything in the row is missing.
    pub lead: Option<Lead>,
}

/// An agent on a task in a look, over seeds.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Cell {
    /// Runs that there should be.
    pub runs: usize,
    /// The mean return of each run that is there, in the order of the seeds; in rows of
    /// success the share of its episodes in which the task was done, in per cent.
    pub returns: Vec<f64>,
    /// Runs that failed.
    pub failed: usize,
    /// What a paper reports.
    pub published: Option<Published>,
}

impl Cell {
    /// Whether every run is there.
    pub fn is_complete(&self) -> bool {
        self.runs > 0 && self.returns.len() == self.runs
    }

    /// Runs that are neither there nor failed.
    pub fn missing(&self) -> usize {
        self.runs.saturating_sub(self.returns.len() + self.failed)
    }

    /// Over seeds; none if there is no run.
    pub fn mean(&self) -> Option<f64> {
        statistics::mean(&self.returns)
    }

    /// Over seeds; none of one run.
    pub fn deviation(&self) -> Option<f64> {
        statistics::deviation(&self.returns)
    }

    /// `61.2 ± 3.4`, `61.2` of one seed, with what is missing behind it; `failed` or
    /// `missing` where there is nothing.
    pub fn text(&self) -> String {
        let Some(mean) = self.mean() else {
            return match (self.failed, self.missing()) {
                (0, _) => "missing".to_owned(),
                (_, 0) => "failed".to_owned(),
                (failed, missing) => format!("{failed} failed, {missing} missing"),
            };
        };
        let value = with_deviation(mean, self.deviation());
        if self.is_complete() {
            return value;
        }
        let mut gone = vec![format!("{} of {} seeds", self.returns.len(), self.runs)];
        gone.extend((self.failed > 0).then(|| format!("{} failed", self.failed)));
        format!("{value} ({})", gone.join(", "))
    }
}

impl Published {
    /// `910 ± 24`
    pub fn text(&self) -> String {
        match self.deviation {
            Some(deviation) => format!("{} ± {deviation}", self.mean),
            None => format!("{:.0}", self.mean),
        }
    }
}

impl Row {
    /// The task's id, or what the row averages.
    pub fn title(&self) -> &str {
        self.task.as_deref().unwrap_or("average of dm_control")
    }

    /// `+82.0 (10 %)`; `–` without a lead.
    pub fn lead_text(&self) -> String {
        match &self.lead {
            None => "–".to_owned(),
            Some(lead) => match lead.percent {
                Some(percent) => format!("+{:.1} ({percent:.0} %)", lead.by),
                None => format!("+{:.1}", lead.by),
            },
        }
    }

    /// Whether the cell of `column` is the best of the row.
    pub fn is_best(&self, column: usize) -> bool {
        self.lead.is_some_and(|lead| lead.best == column)
    }

    fn new(look: Mode, task: Option<String>, cells: Vec<Cell>) -> Row {
        let complete = cells.iter().all(Cell::is_complete);
        let means: Vec<f64> = cells.iter().filter_map(Cell::mean).collect();
        Row {
            look,
            task,
            cells,
            lead: complete.then(|| statistics::lead(&means)).flatten(),
        }
    }
}

impl Table {
    /// The table of a sweep.
    pub fn of(results: &Results) -> Table {
        let columns = results.plan.columns();
        let mut rows: Vec<Row> = vec![];
        let mut success = vec![];
        for &look in &results.plan.grid.looks {
            let mut of_look = vec![];
            for task in &results.plan.grid.tasks {
                let row = |metric| {
                    let cell = |column: &String| cell(results.of(task, column), look, metric);
                    let cells = columns.iter().map(cell).collect();
                    Row::new(look, Some(task.clone()), cells)
                };
                of_look.push(row(Metric::Return));
                let mut told = row(Metric::Success);
                if told.cells.iter().any(|cell| !cell.returns.is_empty()) {
                    // A per cent of per cents would say nothing.
                    told.lead.iter_mut().for_each(|lead| lead.percent = None);
                    success.push(told);
                }
            }
            let average = average(look, &of_look, columns.len());
            rows.extend(of_look);
            rows.extend(average);
        }
        Table {
            columns,
            rows,
            success,
        }
    }

    /// The rows of a look.
    pub fn of_look(&self, look: Mode) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| row.look == look)
    }

    /// Those of success in a look.
    pub fn success_of_look(&self, look: Mode) -> impl Iterator<Item = &Row> {
        self.success.iter().filter(move |row| row.look == look)
    }

    /// Where the published numbers in it are from, each source once.
    pub fn sources(&self) -> Vec<&'static str> {
        let cells = (self.rows.iter().chain(&self.success))
            .filter(|r| r.task.is_some())
            .flat_map(|r| &r.cells);
        let mut sources: Vec<_> = cells
            .filter_map(|cell| cell.published.as_ref().map(|p| p.source))
            .collect();
        sources.sort();
        sources.dedup();
        sources
    }
}

fn cell<'a>(runs: impl Iterator<Item = &'a RunResult>, look: Mode, metric: Metric) -> Cell {
    let mut cell = Cell::default();
    for result in runs {
        cell.runs += 1;
        let value = match metric {
            Metric::Return => result.mean(look),
            Metric::Success => result.success_rate(look).map(|rate| 100.0 * rate),
        };
        let is_lost = value.is_none() && matches!(result.state, State::Failed(_));
        cell.failed += usize::from(is_lost);
        cell.returns.extend(value);
        if let (Some(_), Some(End::Done { action_repeat, .. })) =
            (value, result.outcome().map(|outcome| &outcome.end))
        {
            let run = &result.run;
            let (agent, look) = (run.published_as(), look.name());
            cell.published = published::find(&run.task, look, metric, agent, *action_repeat);
        }
    }
    cell
}

/// The average over the tasks of dm_control, if there are two or more; of a column only
/// where none of them lacks a run.
fn average(look: Mode, rows: &[Row], columns: usize) -> Option<Row> {
    let is_averaged = |row: &&Row| row.task.as_ref().is_some_and(|t| t.starts_with(AVERAGED));
    let rows: Vec<&Row> = rows.iter().filter(is_averaged).collect();
    if rows.len() < 2 {
        return None;
    }
    let cells = (0..columns).map(|column| {
        let cells: Vec<&Cell> = rows.iter().filter_map(|r| r.cells.get(column)).collect();
        let complete = cells.iter().all(|cell| cell.is_complete());
        let means: Vec<f64> = cells.iter().filter_map(|cell| cell.mean()).collect();
        let published: Vec<f64> = (cells.iter())
            .filter_map(|cell| Some(cell.published.as_ref()?.mean))
            .collect();
        Cell {
            runs: 1,
            returns: (statistics::mean(&means).filter(|_| complete).into_iter()).collect(),
            failed: 0,
            published: (published.len() == cells.len())
                .then(|| statistics::mean(&published))
                .flatten()
                .map(|mean| Published {
                    mean,
                    deviation: None,
                    source: "mean of the rows above",
                }),
        }
    });
    Some(Row::new(look, None, cells.collect()))
}

/// `61.2 ± 3.4`, or `61.2`.
fn with_deviation(mean: f64, deviation: Option<f64>) -> String {
    match deviation {
        Some(deviation) => format!("{} ± {deviation:.1}", one_digit(mean)),
        None => one_digit(mean),
    }
}

/// A rounding error below zero must not read "-0.0".
fn one_digit(value: f64) -> String {
    let text = format!("{value:.1}");
    match text.as_str() {
        "-0.0" => "0.0".to_owned(),
        _ => text,
    }
}
