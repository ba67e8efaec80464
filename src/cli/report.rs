//! `foveate report`: what came of a sweep, as tables, curves and a page.

use std::path::PathBuf;

use super::error::CliError;
use super::output::{print, table};
use super::sweep::command_line;
use crate::report::table::Row;
use crate::report::{self, Results, Table, page};
use crate::sweep::SweepFolder;

const EXAMPLES: &str = "\
Examples:
  foveate report runs/comparison
  foveate report runs/comparison --out report

Writes tables.md, tables.csv, runs.csv, a learning curve for each task and index.html, a
page that needs no other file. Also while the sweep goes on: runs that are missing or
failed are shown as such.";

/// Report on a sweep: tables, learning curves and a page.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Folder of the sweep
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Folder for the report, where it replaces an earlier one; report in DIR if absent
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), CliError> {
    let folder = SweepFolder::open(&arguments.folder)?;
    let results = Results::read(&folder)?;
    let compared = Table::of(&results);
    let out = (arguments.out.clone()).unwrap_or_else(|| arguments.folder.join("report"));
    let files = report::write(&results, &compared, &out, &command_line())?;
    let mut text = format!("{}\n\n{}\n", page::standing(&results), as_text(&compared));
    for file in files {
        text.push_str(&format!("\n{}", file.display()));
    }
    print(&text)
}

/// The tables for a terminal.
fn as_text(compared: &Table) -> String {
    let mut text = rows(compared, &compared.rows);
    if !compared.success.is_empty() {
        text.push_str("\n\nsuccess in per cent\n");
        text.push_str(&rows(compared, &compared.success));
    }
    text
}

fn rows(compared: &Table, of: &[Row]) -> String {
    let mut head = vec!["look".to_owned(), "task".to_owned()];
    head.extend(compared.columns.iter().cloned());
    let mut right = vec![false, false];
    right.resize(head.len() + 1, true);
    if compared.columns.len() > 1 {
        head.push("Δ".to_owned());
    }
    let mut rows = vec![head];
    for row in of {
        let mut cells = vec![row.look.to_string(), row.title().to_owned()];
        cells.extend(row.cells.iter().map(|cell| cell.text()));
        if compared.columns.len() > 1 {
            cells.push(row.lead_text());
        }
        rows.push(cells);
    }
    table(&rows, &right)
}
