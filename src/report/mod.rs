//! What came of a sweep: tables, learning curves and a page.
//!
//! | file | what it holds |
//! |---|---|
//! | [`results`] | what the sweep's folder holds, read once |
//! | [`statistics`] | means and deviations over seeds, and who leads |
//! | [`published`] | what papers report, from `published.csv` |
//! | [`table`] | tasks in rows for each look, agents in columns |
//! | [`curves`] | learning curves with bands |
//! | [`notes`] | what a reader has to know |
//! | [`markdown`], [`csv`], [`page`] | all that as files |
//!
//! What is missing is shown as missing: no value is made up, carried over or left out in
//! silence.

pub mod csv;
pub mod curves;
mod data_uri;
pub mod markdown;
pub mod notes;
pub mod page;
pub mod published;
pub mod results;
pub mod statistics;
pub mod table;

use std::path::{Path, PathBuf};

pub use data_uri::data_uri;
pub use results::{Results, RunResult};
pub use table::Table;

use crate::Error;
use crate::run::{RunError, atomic};
use crate::sweep::plan::plain;
use page::{Extras, Figure};

const PAGE: &str = "index.html";

/// Writes `tables.md`, `tables.csv`, `runs.csv`, a `curve-TASK.png` for each task and
/// `index.html` into the folder `out`; returns their paths. `command` is what made them.
///
/// # Errors
/// [`RunError::Foreign`] if there is an `index.html` that no report wrote; [`Error::Run`]
/// for files, [`Error::Media`] for curves.
pub fn write(
    results: &Results,
    table: &Table,
    out: &Path,
    command: &str,
) -> Result<Vec<PathBuf>, Error> {
    atomic::create_folder(out)?;
    require_ours(out)?;
    let mut files = vec![];
    let mut put = |name: &str, text: &str| -> Result<(), Error> {
        let path = out.join(name);
        atomic::write(&path, text.as_bytes())?;
        files.push(path);
        Ok(())
    };
    let notes = notes::of(results, table);
    put("tables.md", &markdown::write(results, table, &notes))?;
    put("tables.csv", &csv::tables(table))?;
    put("runs.csv", &csv::runs(results))?;
    let mut drawn = vec![];
    for (task, curve) in curves::of(results) {
        let path = out.join(format!("curve-{}.png", plain(&task)));
        curve.render()?.save_png(&path)?;
        drawn.push(Figure {
            media_type: "image/png",
            bytes: read(&path)?,
            caption: curve.title,
        });
        files.push(path);
    }
    let extras = Extras {
        notes,
        curves: drawn,
        animations: animations(results)?,
        command: command.to_owned(),
    };
    let path = out.join(PAGE);
    atomic::write(&path, page::write(results, table, &extras).as_bytes())?;
    files.push(path);
    Ok(files)
}

/// An earlier report is replaced, somebody else's page is not.
fn require_ours(out: &Path) -> Result<(), RunError> {
    let path = out.join(PAGE);
    if !path.exists() {
        return Ok(());
    }
    let is_ours = read(&path)?
        .windows(page::GENERATOR.len())
        .any(|part| part == page::GENERATOR.as_bytes());
    // Earlier versions did not sign it.
    let beside = ["tables.md", "tables.csv", "runs.csv"].map(|name| out.join(name).is_file());
    match is_ours || beside == [true; 3] {
        true => Ok(()),
        false => Err(RunError::Foreign { path }),
    }
}

/// Of every column on every task those of the first run that has any: the page has to be
/// opened, too.
fn animations(results: &Results) -> Result<Vec<Figure>, Error> {
    let mut figures = vec![];
    for task in &results.plan.grid.tasks {
        for column in results.plan.columns() {
            let mut runs = results.of(task, &column);
            let Some(first) = runs.find(|run| !run.animations.is_empty()) else {
                continue;
            };
            for path in &first.animations {
                let file = path.file_stem().unwrap_or_default().to_string_lossy();
                figures.push(Figure {
                    media_type: "image/gif",
                    bytes: read(path)?,
                    caption: format!("{column} on {task}, seed {}: {file}", first.run.seed),
                });
            }
        }
    }
    Ok(figures)
}

fn read(path: &Path) -> Result<Vec<u8>, RunError> {
    std::fs::read(path).map_err(|e| RunError::io("read", path, e))
}
